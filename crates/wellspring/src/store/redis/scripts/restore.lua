-- ARGV: fence of the stored entry as the caller saw it, fence of the new one, revision or nothing, rest of the line, how many
-- snapshots, three for each (revision, head, items), then the fields of the entry.
if fence_of_entry() ~= ARGV[5] then return { 'again', fence_of_entry() } end
local before = redis.call('HGET', ENTRY, 'version')
local had = redis.call('DEL', LEASE) == 1
redis.call('DEL', ENTRY, HEADS, ITEMS)
if before then redis.call('HSET', ENTRY, 'version', before) end
if not above(sound(redis.call('GET', FENCES) or '') or '0', ARGV[6]) then redis.call('SET', FENCES, ARGV[6]) end
local at = 10
for _ = 1, tonumber(ARGV[9]) do
  redis.call('HSET', HEADS, ARGV[at], ARGV[at + 1])
  redis.call('HSET', ITEMS, ARGV[at], ARGV[at + 2])
  at = at + 3
end
redis.call('HSET', ENTRY, unpack(ARGV, at))
local place = changed(ARGV[8])
if had then tell('ended') end
if ARGV[7] ~= '' then tell('revision ' .. ARGV[7]) else tell('recorded') end
return { 'ok', place, had and 'yes' or 'no' }
