-- What the scripts of a key share. KEYS are six of one source: lease, fences, entry, heads, items, index.
local key, channel, origin, format = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local LEASE, FENCES, ENTRY, HEADS, ITEMS, INDEX = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local TYPES = { 'string', 'string', 'hash', 'hash', 'hash', 'hash' }

-- Numbers stay text: those of Lua are exact up to 2^53 only.
local function number(text)
  if text and #text <= 19 and (text == '0' or string.match(text, '^[1-9]%d*$')) then return text end
end

local function above(one, other)
  return #one > #other or (#one == #other and one > other)
end

-- The server's clock in microseconds. What is counted begins there: a Redis that forgot rises above what it gave out all the same.
local function clock()
  local now = redis.call('TIME')
  return now[1] .. string.rep('0', 6 - #now[2]) .. now[2]
end

-- What forbids to write, before anything is written: a script that fails half-way is not undone.
local function guard()
  for position, name in ipairs(KEYS) do
    local found = redis.call('TYPE', name).ok
    if found ~= 'none' and found ~= TYPES[position] then return { 'foreign', name, found } end
  end
  local written = number(redis.call('HGET', ENTRY, 'format') or '')
  if written and above(written, format) then return { 'newer', written } end
end

-- A hint. Who may not publish has still written.
local function tell(what)
  redis.pcall('PUBLISH', channel, origin .. ' ' .. what .. ' ' .. key)
end

-- The latest revision; of an entry that was lost, the highest of its history.
local function stored()
  local latest = number(redis.call('HGET', ENTRY, 'revision') or '')
  if latest then return latest end
  latest = '0'
  for _, revision in ipairs(redis.call('HKEYS', HEADS)) do
    if number(revision) and above(revision, latest) then latest = revision end
  end
  return latest
end

-- A fence that we may have given out: up to 2^52, as in the program. Any other counts as none.
local function sound(text)
  local fence = number(text or '')
  if fence and not above(fence, '4503599627370496') then return fence end
end

local function fence_of_entry()
  return sound(redis.call('HGET', ENTRY, 'fence') or '') or '0'
end

local function in_force(lease)
  local _, _, fence = string.find(lease, ':(%d+)$')
  return redis.call('GET', LEASE) == lease and not above(fence_of_entry(), fence)
end

-- Removes the revisions that `doomed` names.
local function remove(doomed)
  for _, revision in ipairs(doomed) do
    redis.call('HDEL', HEADS, revision)
    redis.call('HDEL', ITEMS, revision)
  end
end

-- Keeps the newest revisions: at most so many, at most so many bytes of items, at least one.
local function prune(revisions, bytes)
  local sizes, order, flat = {}, {}, redis.call('HGETALL', HEADS)
  for at = 1, #flat, 2 do
    sizes[flat[at]] = tonumber(string.match(flat[at + 1], '^{"bytes":(%d+)') or '0')
    order[#order + 1] = flat[at]
  end
  table.sort(order, above)
  local total, doomed, full = 0, {}, false
  for nth, revision in ipairs(order) do
    total = total + sizes[revision]
    full = full or nth > revisions or total > bytes
    if full and nth > 1 then doomed[#doomed + 1] = revision end
  end
  remove(doomed)
end

-- Gives what is stored of the key another version and writes its line: version, fence, when it was confirmed. Returns whether the
-- source is new here: it is then to be named among the sources.
local function changed(rest)
  local version, before = clock(), number(redis.call('HGET', ENTRY, 'version') or '')
  if before and #before < 19 and not above(version, before) then
    redis.call('HINCRBY', ENTRY, 'version', 1)
    version = redis.call('HGET', ENTRY, 'version')
  else
    redis.call('HSET', ENTRY, 'version', version)
  end
  local is_new = redis.call('HSET', INDEX, key, version .. ' ' .. rest) == 1
  return is_new and redis.call('HLEN', INDEX) == 1 and 'first' or 'known'
end

local bad = guard()
if bad then return bad end
