#!lua flags=allow-oom
-- What the control shard knows, and the name of its generation. Somebody's eviction, or a hand that deletes, may have taken
-- the hash or members of the set: both show, and begin a new generation, in which nothing older is trusted.
local function number(value)
  return string.format('%.0f', value)
end

local function save(m, shard)
  redis.call('HSET', m, 'salt', shard.salt, 'seq', number(shard.seq), 'floor', number(shard.floor),
    'count', number(shard.count))
end

local function open(m, z, salt)
  local saved = redis.call('HMGET', m, 'salt', 'seq', 'floor', 'count')
  local shard = {
    salt = saved[1], seq = tonumber(saved[2]) or 0, floor = tonumber(saved[3]) or 0, count = redis.call('ZCARD', z)
  }
  local whole = saved[1] and saved[2] and saved[3] and tonumber(saved[4]) == shard.count
  if not whole then
    redis.call('DEL', z)
    shard.salt, shard.floor, shard.count = salt, shard.seq, 0
    save(m, shard)
  end
  -- Both, because a primary that was deposed and comes back before anybody looked has its old run_id again.
  local info = redis.call('INFO', 'server', 'replication')
  shard.generation = string.match(info, 'run_id:(%w+)') .. ':' .. string.match(info, 'master_replid:(%w+)') .. ':'
    .. shard.salt
  return shard
end

