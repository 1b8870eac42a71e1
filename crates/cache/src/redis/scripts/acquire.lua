-- KEYS value, lease. ARGV token, lifetime of the lease in milliseconds, the beginning of the value that was of no use.
-- A value that came since is better than a lease: it is answered. Else 1: the lease is taken; 0: another holds it; 2: whoever
-- held it has nothing to share.
local head = redis.call('GETRANGE', KEYS[1], 0, 51)
if head ~= '' and head ~= ARGV[3] then
  return redis.call('GET', KEYS[1])
end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return 1
end
if redis.call('GET', KEYS[2]) == 'pass' then
  return 2
end
return 0
