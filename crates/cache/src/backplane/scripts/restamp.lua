-- KEYS value. ARGV how it begins, from its stamp to what tells it from others; the stamp that is to stand before it. 1: it does;
-- 0: the value is another by now.
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then
  return 0
end
redis.call('SETRANGE', KEYS[1], 0, ARGV[2])
return 1
