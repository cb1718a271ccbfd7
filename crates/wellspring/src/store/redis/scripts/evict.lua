local had, was = redis.call('DEL', LEASE) == 1, redis.call('DEL', ENTRY, HEADS, ITEMS) > 0
redis.call('HDEL', INDEX, key)
if had then tell('ended') end
if was then tell('recorded') end
return { 'ok', had and 'yes' or 'no' }
