-- KEYS value, lease. ARGV token (empty: the caller has none; `set`: it writes by name, whoever loads), lifetime of the value in
-- milliseconds, the value. Bytes 5 to 20 of a value are its generation, 21 to 28 its seq.
local token = ARGV[1]
local held = redis.call('GET', KEYS[2])
if held and held ~= token and held ~= 'pass' and token ~= 'set' then
  return 'lease_lost'
end
local answer = 'stored'
local there, new = redis.call('GETRANGE', KEYS[1], 0, 27), string.sub(ARGV[3], 1, 28)
if #there == 28 and string.sub(there, 1, 20) == string.sub(new, 1, 20)
  and struct.unpack('>I8', string.sub(there, 21, 28)) > struct.unpack('>I8', string.sub(new, 21, 28)) then
  answer = 'newer'
else
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[2])
end
if held and (held == token or token == 'set') then
  redis.call('DEL', KEYS[2])
end
return answer
