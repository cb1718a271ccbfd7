-- ARGV: highest fence that the caller knows, owner, milliseconds.
if redis.call('EXISTS', LEASE) == 1 then return { 'held' } end
-- Never below the server's clock in microseconds, so that a Redis that forgot what it gave out rises above it all the same.
local now = redis.call('TIME')
local fence = now[1] .. string.rep('0', 6 - #now[2]) .. now[2]
for _, other in ipairs({ redis.call('GET', FENCES) or '0', fence_of_entry(), ARGV[5] }) do
  if number(other) and above(other, fence) then fence = other end
end
redis.call('SET', FENCES, fence)
redis.call('INCR', FENCES)
fence = redis.call('GET', FENCES)
redis.call('SET', LEASE, ARGV[6] .. ':' .. fence, 'PX', ARGV[7])
tell('started')
return { 'ok', fence }
