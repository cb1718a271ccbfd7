-- ARGV: latest revision, its head and its items as they were found to be bad.
if redis.call('HGET', ENTRY, 'revision') ~= ARGV[5] then return { 'ok' } end
if (redis.call('HGET', HEADS, ARGV[5]) or '') ~= ARGV[6] or (redis.call('HGET', ITEMS, ARGV[5]) or '') ~= ARGV[7] then return { 'ok' } end
remove({ ARGV[5] })
redis.call('HDEL', ENTRY, 'revision', 'revision_seal', 'renewal', 'renewal_seal')
return { 'ok' }
