-- ARGV: lease, rest of the line of the index, then the fields of the entry.
if not in_force(ARGV[5]) then return { 'lost' } end
local latest = stored()
if latest == '0' then return { 'outdated', '0' } end
redis.call('HSET', ENTRY, unpack(ARGV, 7))
local place = index(latest .. ' ' .. ARGV[6])
tell('touched')
return { 'ok', place }
