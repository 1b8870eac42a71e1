-- KEYS lease. ARGV token, milliseconds. The load stored nothing that others could have: for so long they do not wait.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('SET', KEYS[1], 'pass', 'PX', ARGV[2])
  return 1
end
return 0
