-- KEYS m, z. ARGV salt for a new generation, how many targets are kept, channel, marks. Answers where each mark stood before,
-- zero where it did not, because that is not known to anybody any more afterwards.
local shard, before = open(KEYS[1], KEYS[2], ARGV[1]), {}
for at = 4, #ARGV do
  shard.seq = shard.seq + 1
  before[#before + 1] = redis.call('ZSCORE', KEYS[2], ARGV[at]) or '0'
  redis.call('ZADD', KEYS[2], number(shard.seq), ARGV[at])
end
shard.count = redis.call('ZCARD', KEYS[2])
local over = shard.count - tonumber(ARGV[2])
if over > 0 then
  local dropped = redis.call('ZPOPMIN', KEYS[2], over)
  shard.floor = math.max(shard.floor, tonumber(dropped[#dropped]))
  shard.count = shard.count - over
end
save(KEYS[1], shard)
-- A nudge only: whoever does not hear it asks in time.
redis.pcall('SPUBLISH', ARGV[3], number(shard.seq))
return { shard.generation, number(shard.seq), before }
