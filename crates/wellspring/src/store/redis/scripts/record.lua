-- ARGV: the fields of the entry.
redis.call('HSET', ENTRY, unpack(ARGV, 5))
local line = redis.call('HGET', INDEX, key)
return { 'ok', index(line or '0 - 0') }
