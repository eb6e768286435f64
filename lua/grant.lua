#!lua
-- Put granted units into a shard, once per grant id (DESIGN §5 "Grant").
--
-- PostgreSQL has already moved the units from the pool to the allocation under the same id; a crash
-- in between leaves a grant that is not applied, and the agent simply calls again.
--
-- KEYS  1 ctl · 2 avail · 3 grants
-- ARGV  1 epoch · 2 grant id · 3 qty (integer from 1 to 2147483647)
-- Returns {1, avail} when the units were added, {0, avail} when this id was known.
-- Errors FENCED: the shard is not armed for this epoch in this life. BADCALL: the caller is wrong.
-- Invariant avail + sold = Σ grants − Σ reclaims. Clears the sold-out mark and what was lacking.
-- Repeat safe.

-- PostgreSQL's integer; beyond 2^53 Lua's numbers have gaps.
local MAX_QTY = 2147483647

local epoch, grant_id, qty = ARGV[1], ARGV[2], tonumber(ARGV[3])
if not epoch or not grant_id or not qty or qty < 1 or qty > MAX_QTY or qty % 1 ~= 0 then
  return redis.error_reply("BADCALL epoch, grant id, qty")
end
local ctl = redis.call("HMGET", KEYS[1], "epoch", "disarmed", "life", "limit")
local avail = tonumber(string.match(redis.call("GET", KEYS[2]) or "", "^%d+$"))
local life = "\nmaster_replid:" .. (ctl[3] or "") .. "\r\n"
if ctl[1] ~= epoch or ctl[2] or not tonumber(ctl[4]) or not avail
    or not string.find(redis.call("INFO", "replication"), life, 1, true) then
  return redis.error_reply("FENCED epoch " .. epoch .. " is not armed here")
end

if redis.call("HEXISTS", KEYS[3], grant_id) == 1 then
  return { 0, avail }
end
-- First the only write that can still fail (overflow): the id must never be known without its units.
avail = redis.call("INCRBY", KEYS[2], qty)
redis.call("HSET", KEYS[3], grant_id, qty)
redis.call("HDEL", KEYS[1], "sold_out", "left", "lacking")
return { 1, avail }
