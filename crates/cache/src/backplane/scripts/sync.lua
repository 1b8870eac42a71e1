-- KEYS m, z, n. ARGV salt for a new generation, node, the generation that it knows, its cursor, its bound in milliseconds,
-- how many records are answered at once, how long the table of nodes is kept in milliseconds, up to where it knows all.
-- It writes, so that only a primary answers it.
local shard = open(KEYS[1], KEYS[2], ARGV[1])
local time = redis.call('TIME')
local now = number(tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
redis.call('HSET', KEYS[3], ARGV[2], ARGV[3] .. ' ' .. ARGV[8] .. ' ' .. ARGV[5] .. ' ' .. now)
redis.call('PEXPIRE', KEYS[3], ARGV[7])
local above = ARGV[3] == shard.generation and ARGV[4] or '0'
local page = tonumber(ARGV[6])
local records = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. above, '+inf', 'WITHSCORES', 'LIMIT', 0, page + 1)
local last = #records <= page * 2
if not last then
  records[#records] = nil
  records[#records] = nil
end
return { shard.generation, number(shard.seq), number(shard.floor), last and 1 or 0, records }
