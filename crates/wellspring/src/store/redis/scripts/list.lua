-- ARGV: rest of the line. Puts the line of a key back that somebody removed.
if redis.call('EXISTS', ENTRY) == 0 or redis.call('HGET', INDEX, key) then return { 'ok', 'none' } end
return { 'ok', changed(ARGV[5]) }
