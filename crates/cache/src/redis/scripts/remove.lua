-- KEYS value, lease. What lies there was taken out by name, and nobody's load may bring it back. 1: something lay there.
redis.call('UNLINK', KEYS[2])
return redis.call('UNLINK', KEYS[1])
