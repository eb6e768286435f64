#!lua
-- Make one shard ready for one epoch: control record, empty stock, outbox with the relay's group.
--
-- The key names carry the epoch, so a new epoch starts on keys that never existed, but for the buyers that
-- rebuild.lua has written. An epoch belongs to one life of one node: life is the replication id
-- (INFO replication, master_replid), which is new after every restart of a master and every promotion. The
-- caller has it from PostgreSQL, where the first agent wrote it: else two masters could be armed for one
-- epoch.
--
-- KEYS  1 ctl · 2 avail · 3 outbox
-- ARGV  1 epoch · 2 life · 3 limit per shopper · 4 now in ms
-- Returns "armed" the first time, "again" on a repeat of the same epoch in the same life.
-- Errors FENCED: the node lives another life, or the keys are of another life or epoch, or were disarmed.
--        BADCALL: the caller is wrong.
-- Repeat safe. Units come later, by grant.lua.

local epoch, life, limit, now_ms = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
if not epoch or not life or not string.find(life, "^%x+$") or not limit or limit < 1 or limit % 1 ~= 0
    or not now_ms then
  return redis.error_reply("BADCALL epoch, life, limit, now_ms")
end

if not string.find(redis.call("INFO", "replication"), "\nmaster_replid:" .. life .. "\r\n", 1, true) then
  return redis.error_reply("FENCED epoch " .. epoch .. " belongs to another life")
end
local ctl = redis.call("HMGET", KEYS[1], "epoch", "life", "disarmed")
if ctl[1] == epoch and ctl[2] == life and not ctl[3] then
  return "again"
end
if redis.call("EXISTS", KEYS[1], KEYS[2], KEYS[3]) > 0 then
  return redis.error_reply("FENCED the keys of epoch " .. epoch .. " were armed elsewhere or disarmed")
end

redis.call("XGROUP", "CREATE", KEYS[3], "relay", "0", "MKSTREAM")
redis.call("SET", KEYS[2], "0")
redis.call("HSET", KEYS[1], "epoch", epoch, "life", life, "limit", limit, "armed_at_ms", now_ms, "sold", "0")
return "armed"
