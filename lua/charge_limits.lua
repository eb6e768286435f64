#!lua
-- Add up what the gateways admitted of some rate-limited keys, and tell how far ahead each is now.
--
-- Runs in the work Redis. A key's value is its TAT over all gateways, in ms of this server's clock, so the
-- gateways' clocks need not agree. Admissions that crossed on two gateways move it further than one gateway
-- alone would have allowed: that debt stays, and it is what makes the long-term rate exact.
--
-- KEYS  sluice:limits:<dimension>:<key>, any number
-- ARGV  for each key: ms to charge, ≥ 0
-- Returns for each key how far its TAT is ahead of now, in whole µs.
-- Errors BADCALL: the caller is wrong, and nothing was charged.
-- Repeat not safe: it charges again, which makes the limit stricter. Keys expire by themselves when their
-- bucket is full; a missing one is a full bucket.

local US_PER_MS = 1000
-- No rule is so slow; a longer charge is a fault of the caller that would lock somebody out.
local CHARGE_MAX_MS = 1e9

local charges = {}
if #KEYS == 0 or #KEYS ~= #ARGV then
  return redis.error_reply("BADCALL one charge for each key")
end
for i = 1, #KEYS do
  charges[i] = tonumber(ARGV[i])
  if not charges[i] or not (charges[i] >= 0 and charges[i] <= CHARGE_MAX_MS) then
    return redis.error_reply("BADCALL charge " .. i)
  end
end

local time = redis.call("TIME")
local now_ms = time[1] * 1000 + time[2] / 1000
local leads = {}
for i = 1, #KEYS do
  local tat_ms = tonumber(redis.call("GET", KEYS[i]) or nil)
  tat_ms = math.max(tat_ms or now_ms, now_ms) + charges[i]
  local ahead_ms = tat_ms - now_ms
  redis.call("SET", KEYS[i], string.format("%.3f", tat_ms), "PX", math.ceil(ahead_ms) + 1)
  leads[i] = math.floor(ahead_ms * US_PER_MS)
end
return leads
