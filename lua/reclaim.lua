#!lua
-- Take free units out of a shard, once per reclaim id (DESIGN §5 "Reclaim").
--
-- PostgreSQL knows the request before this call, and moves what was taken from the allocation to the pool
-- after it. Nothing taken is remembered too: a repeat must not take what came in meanwhile.
--
-- KEYS  1 ctl · 2 avail · 3 reclaims
-- ARGV  1 epoch · 2 reclaim id · 3 want (integer from 1 to 2147483647) · 4 low water (integer ≥ 0)
-- Returns the units taken, min(want, avail − low water) and never below 0; the first answer on a repeat.
-- Errors FENCED: the shard is not armed for this epoch in this life. BADCALL: the caller is wrong.
-- Invariant avail + sold = Σ grants − Σ reclaims.
-- Repeat safe.

local MAX_QTY = 2147483647

local epoch, reclaim_id, want, low_water = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
if not epoch or not reclaim_id or not want or want < 1 or want > MAX_QTY or want % 1 ~= 0
    or not low_water or low_water < 0 or low_water % 1 ~= 0 then
  return redis.error_reply("BADCALL epoch, reclaim id, want, low water")
end
local ctl = redis.call("HMGET", KEYS[1], "epoch", "disarmed", "life", "limit")
local avail = tonumber(string.match(redis.call("GET", KEYS[2]) or "", "^%d+$"))
local life = "\nmaster_replid:" .. (ctl[3] or "") .. "\r\n"
if ctl[1] ~= epoch or ctl[2] or not tonumber(ctl[4]) or not avail
    or not string.find(redis.call("INFO", "replication"), life, 1, true) then
  return redis.error_reply("FENCED epoch " .. epoch .. " is not armed here")
end

local known = redis.call("HGET", KEYS[3], reclaim_id)
if known then
  return tonumber(known)
end
local taken = math.max(math.min(want, avail - low_water), 0)
redis.call("HSET", KEYS[3], reclaim_id, taken)
if taken > 0 then
  redis.call("DECRBY", KEYS[2], taken)
end
return taken
