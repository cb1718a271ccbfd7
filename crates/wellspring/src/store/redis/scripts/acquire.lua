-- ARGV: highest fence that the caller knows, owner, milliseconds.
if redis.call('EXISTS', LEASE) == 1 then return { 'held' } end
local fence = clock()
for _, other in ipairs({ redis.call('GET', FENCES) or '0', fence_of_entry(), ARGV[5] }) do
  -- Nothing that we gave out has 19 digits; what has would soon leave no higher one.
  if number(other) and #other < 19 and above(other, fence) then fence = other end
end
redis.call('SET', FENCES, fence)
redis.call('INCR', FENCES)
fence = redis.call('GET', FENCES)
redis.call('SET', LEASE, ARGV[6] .. ':' .. fence, 'PX', ARGV[7])
tell('started')
return { 'ok', fence, redis.call('HGET', ENTRY, 'version') or '0' }
