-- ARGV: lease, revision, head, items, rest of the line, revisions and bytes that are kept, then the fields of the entry.
if not in_force(ARGV[5]) then return { 'lost' } end
local revision, latest = ARGV[6], stored()
if not above(revision, latest) then return { 'outdated', latest } end
-- What lies above can only be a row that failed its check: the latest is the highest.
local doomed = {}
for _, other in ipairs(redis.call('HKEYS', HEADS)) do
  if not above(revision, other) then doomed[#doomed + 1] = other end
end
remove(doomed)
redis.call('HSET', HEADS, revision, ARGV[7])
redis.call('HSET', ITEMS, revision, ARGV[8])
redis.call('HSET', ENTRY, unpack(ARGV, 12))
local place = changed(ARGV[9])
prune(tonumber(ARGV[10]), tonumber(ARGV[11]))
tell('revision ' .. revision)
return { 'ok', place }
