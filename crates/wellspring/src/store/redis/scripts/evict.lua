local had = redis.call('DEL', LEASE) == 1
redis.call('DEL', ENTRY, HEADS, ITEMS)
redis.call('HDEL', INDEX, key)
if had then tell('ended') end
return { 'ok', had and 'yes' or 'no' }
