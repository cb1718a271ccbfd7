-- ARGV: latest revision, its head and its items as they were found to be bad, then the fields that stand in.
if redis.call('HGET', ENTRY, 'revision') ~= ARGV[5] then return { 'ok' } end
if (redis.call('HGET', HEADS, ARGV[5]) or '') ~= ARGV[6] or (redis.call('HGET', ITEMS, ARGV[5]) or '') ~= ARGV[7] then return { 'ok' } end
remove({ ARGV[5] })
redis.call('HDEL', ENTRY, 'revision', 'revision_seal', 'renewal', 'renewal_seal')
if ARGV[8] then redis.call('HSET', ENTRY, unpack(ARGV, 8)) end
return { 'ok' }
