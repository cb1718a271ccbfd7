-- ARGV: highest fence that the caller knows, owner, milliseconds, the most of them that anybody asks for.
local left, longest = redis.call('PTTL', LEASE), math.max(tonumber(ARGV[7]), tonumber(ARGV[8]))
if left >= 0 and left <= longest then return { 'held' } end
-- One that ends never, or too late, was taken by nobody of us.
local strange = left ~= -2
local fence, before = clock(), redis.call('GET', FENCES) or '0'
for _, other in ipairs({ before, fence_of_entry(), ARGV[5] }) do
  if sound(other) and above(other, fence) then fence = other end
end
local odd = not sound(before) and 'fence' or strange and 'lease' or ''
redis.call('SET', FENCES, fence)
redis.call('INCR', FENCES)
fence = redis.call('GET', FENCES)
redis.call('SET', LEASE, ARGV[6] .. ':' .. fence, 'PX', ARGV[7])
tell('started')
return { 'ok', fence, redis.call('HGET', ENTRY, 'version') or '0', odd }
