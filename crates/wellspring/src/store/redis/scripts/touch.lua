-- ARGV: lease, rest of the line, then the fields of the entry.
if not in_force(ARGV[5]) then return { 'lost' } end
if stored() == '0' then return { 'outdated', '0' } end
redis.call('HSET', ENTRY, unpack(ARGV, 7))
local place = changed(ARGV[6])
tell('touched')
return { 'ok', place }
