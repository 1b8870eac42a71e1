#!lua flags=allow-oom
-- KEYS n. ARGV after how many milliseconds of silence a node is struck out, and after how many of its bounds. Answers
-- milliseconds of silence beside each row.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local rows, found = redis.call('HGETALL', KEYS[1]), {}
for at = 1, #rows, 2 do
  local seen = tonumber(string.match(rows[at + 1], ' (%d+)$'))
  local bound = tonumber(string.match(rows[at + 1], ' (%d+) %d+$')) or 0
  if seen and now - seen <= math.max(tonumber(ARGV[1]), bound * tonumber(ARGV[2])) then
    found[#found + 1] = rows[at]
    found[#found + 1] = rows[at + 1]
    found[#found + 1] = string.format('%.0f', math.max(0, now - seen))
  else
    redis.call('HDEL', KEYS[1], rows[at])
  end
end
return found
