-- ARGV: the fields of the entry.
redis.call('HSET', ENTRY, unpack(ARGV, 5))
local place = changed(string.match(redis.call('HGET', INDEX, key) or '', ' (.*)$') or '-')
tell('recorded')
return { 'ok', place }
