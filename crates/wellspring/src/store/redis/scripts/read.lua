if redis.call('EXISTS', ENTRY, HEADS) == 0 then return { 'none' } end
local latest = redis.call('HGET', ENTRY, 'revision') or ''
local found = { 'ok', redis.call('HGET', INDEX, key) and 'listed' or 'lost', redis.call('HGET', HEADS, latest), redis.call('HGET', ITEMS, latest) }
for _, piece in ipairs(redis.call('HGETALL', ENTRY)) do found[#found + 1] = piece end
return found
