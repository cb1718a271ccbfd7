-- ARGV: lease, milliseconds.
if redis.call('GET', LEASE) ~= ARGV[5] then return { 'lost' } end
redis.call('PEXPIRE', LEASE, ARGV[6])
return { 'ok' }
