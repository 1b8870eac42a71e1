-- KEYS lease. ARGV token, lifetime in milliseconds. 1: it is still the caller's, for that long.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
