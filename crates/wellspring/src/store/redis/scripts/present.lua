-- KEYS: the replicas. ARGV: who says so, what it says (nothing where it leaves), milliseconds after which one is forgotten.
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'none' and kind ~= 'hash' then return { 'foreign', KEYS[1], kind } end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now) .. ' ' .. ARGV[2])
end
local told, flat = { 'ok' }, redis.call('HGETALL', KEYS[1])
for at = 1, #flat, 2 do
  local said, rest = string.match(flat[at + 1], '^(%d+) (.*)$')
  local age = said and now - tonumber(said)
  -- From ahead of now: the clock was set back, and it will say so again.
  if age and age <= tonumber(ARGV[3]) and age >= -tonumber(ARGV[3]) then
    told[#told + 1] = rest
  else
    redis.call('HDEL', KEYS[1], flat[at])
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return told
