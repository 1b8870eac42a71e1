#!lua flags=allow-oom
-- KEYS n. ARGV node, how long the table of nodes is kept in milliseconds. The row stays until it is silent for too long, and
-- says that the node left: one that is missing may have been lost, and its node is waited for.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('HSET', KEYS[1], ARGV[1], string.format('left %.0f', now))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
