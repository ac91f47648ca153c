-- Puts copies of stocks in where they are newer than what is there: a later version, or the same one as of a later beat. So
-- writes may come late, twice and in any order. What cannot be read is replaced.
-- KEYS: one for each copy. ARGV: the copy ("version asOf ..."), its time to live in milliseconds, the next copy ...
local function read(copy)
  local version, asOf = string.match(copy, '^(%d+) (%d+) ')
  return tonumber(version), tonumber(asOf)
end

local replaced = 0
for i, key in ipairs(KEYS) do
  local copy = ARGV[2 * i - 1]
  local version, asOf = read(copy)
  local before = redis.call('GET', key)
  local versionBefore, asOfBefore
  if before then
    versionBefore, asOfBefore = read(before)
  end
  if not versionBefore or version > versionBefore or (version == versionBefore and asOf > asOfBefore) then
    redis.call('SET', key, copy, 'PX', ARGV[2 * i])
    replaced = replaced + 1
  end
end
return replaced
