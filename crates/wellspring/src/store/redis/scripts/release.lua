-- ARGV: lease.
if redis.call('GET', LEASE) ~= ARGV[5] then return { 'ok', 'no' } end
redis.call('DEL', LEASE)
tell('ended')
return { 'ok', 'yes' }
