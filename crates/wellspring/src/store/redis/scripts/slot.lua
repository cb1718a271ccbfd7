-- KEYS: who is at the host, the pause after the last start. ARGV: owner, how many at once, milliseconds of a place and of the pause.
local TYPES = { 'zset', 'string' }
for position, name in ipairs(KEYS) do
  local found = redis.call('TYPE', name).ok
  if found ~= 'none' and found ~= TYPES[position] then return { 'foreign', name, found } end
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return { 'full' } end
local wait = redis.call('PTTL', KEYS[2])
if wait > 0 then return { 'after', tostring(wait) } end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', tonumber(last)))
if ARGV[4] ~= '0' then redis.call('SET', KEYS[2], '', 'PX', ARGV[4]) end
return { 'ok' }
