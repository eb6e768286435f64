#!lua
-- Say how few units are left in all shards together, so that who asks for more hears sold_out or "fewer left"
-- instead of "try again".
--
-- Only the stock agent knows all shards and the pool; a shard alone cannot. The mark is dated by the moment
-- the agent began to look, and reserve.lua believes it for 1 s from then. What the agent saw may have
-- changed: a shard that holds more than all of them are said to hold shows it.
--
-- KEYS  1 ctl · 2 avail
-- ARGV  1 epoch · 2 version: when the look began, ms · 3 left: units free in all shards together
-- Returns 1 when this mark stands, 0 when a newer one does or the shard holds more than left.
-- Errors FENCED: the shard is not armed for this epoch in this life. BADCALL: the caller is wrong.
-- Repeat safe. grant.lua takes the mark away.

local epoch, version_ms, left = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if not epoch or not version_ms or version_ms < 0 or version_ms % 1 ~= 0
    or not left or left < 0 or left % 1 ~= 0 then
  return redis.error_reply("BADCALL epoch, version_ms, left")
end
local ctl = redis.call("HMGET", KEYS[1], "epoch", "disarmed", "life", "limit", "sold_out", "left")
local avail = tonumber(string.match(redis.call("GET", KEYS[2]) or "", "^%d+$"))
local life = "\nmaster_replid:" .. (ctl[3] or "") .. "\r\n"
if ctl[1] ~= epoch or ctl[2] or not tonumber(ctl[4]) or not avail
    or not string.find(redis.call("INFO", "replication"), life, 1, true) then
  return redis.error_reply("FENCED epoch " .. epoch .. " is not armed here")
end
if avail > left then
  return 0
end
local stored_ms = tonumber(ctl[5])
if stored_ms and version_ms <= stored_ms then
  return version_ms == stored_ms and left == tonumber(ctl[6]) and 1 or 0
end
redis.call("HSET", KEYS[1], "sold_out", version_ms, "left", left)
return 1
