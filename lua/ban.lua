#!lua
-- Say who may buy nothing here, and until when; or that he may again.
--
-- ctl.bans is the latest end ever written, and absent while the hash is empty: reserve.lua looks at the
-- hash only while that lies ahead. Later than the latest that stands, it costs a look for nothing.
-- A ban that is over counts no more by itself; the caller takes it away so that the hash does not grow.
--
-- KEYS  1 ctl · 2 avail · 3 bans
-- ARGV  1 epoch; then up to 1000 times: shopper · until_ms (integer ≥ 0 of the node's clock; 0 lifts the ban)
-- Returns how many shoppers stand in the hash.
-- Errors FENCED: the shard is not armed for this epoch in this life. BADCALL: the caller is wrong.
-- Repeat safe: what is written last stands. Of a shopper who comes twice the last end counts.

local ARGS_PER_BAN = 2
-- HSET unpacks two values a shopper onto Lua's stack of 8000.
local MAX_BANS = 1000

local epoch, n = ARGV[1], (#ARGV - 1) / ARGS_PER_BAN
if not epoch or n < 1 or n > MAX_BANS or n % 1 ~= 0 then
  return redis.error_reply("BADCALL epoch, argument count")
end
local ctl = redis.call("HMGET", KEYS[1], "epoch", "disarmed", "life", "limit", "bans")
local avail = tonumber(string.match(redis.call("GET", KEYS[2]) or "", "^%d+$"))
local life = "\nmaster_replid:" .. (ctl[3] or "") .. "\r\n"
if ctl[1] ~= epoch or ctl[2] or not tonumber(ctl[4]) or not avail
    or not string.find(redis.call("INFO", "replication"), life, 1, true) then
  return redis.error_reply("FENCED epoch " .. epoch .. " is not armed here")
end

local until_of = {}
for i = 1, n do
  local shopper, until_ms = ARGV[ARGS_PER_BAN * i], ARGV[ARGS_PER_BAN * i + 1]
  if shopper == "" or not string.find(until_ms, "^%d+$") or #until_ms > 15 then
    return redis.error_reply("BADCALL ban " .. i)
  end
  until_of[shopper] = tonumber(until_ms)
end

local banned, lifted, latest = {}, {}, tonumber(ctl[5]) or 0
for shopper, until_ms in pairs(until_of) do
  if until_ms == 0 then
    lifted[#lifted + 1] = shopper
  else
    banned[#banned + 1] = shopper
    banned[#banned + 1] = string.format("%d", until_ms)
    latest = math.max(latest, until_ms)
  end
end
if #banned > 0 then
  redis.call("HSET", KEYS[3], unpack(banned))
end
if #lifted > 0 then
  redis.call("HDEL", KEYS[3], unpack(lifted))
end
local standing = redis.call("HLEN", KEYS[3])
if standing > 0 then
  redis.call("HSET", KEYS[1], "bans", string.format("%d", latest))
else
  redis.call("HDEL", KEYS[1], "bans")
end
return standing
