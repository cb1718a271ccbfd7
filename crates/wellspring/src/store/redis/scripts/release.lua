-- ARGV: lease; of one that was never answered, its beginning.
local held = redis.call('GET', LEASE)
if not held or string.sub(held, 1, #ARGV[5]) ~= ARGV[5] then return { 'ok', 'no' } end
redis.call('DEL', LEASE)
tell('ended')
return { 'ok', 'yes' }
