#!lua
-- Make one shard ready for one epoch: control record, empty stock, outbox with the relay's group.
--
-- The key names carry the epoch, so a new epoch starts on keys that never existed. The record names the
-- node that was armed; a promoted replica holds a copy of it with another node's name and stays fenced.
--
-- KEYS  1 ctl · 2 avail · 3 outbox
-- ARGV  1 epoch · 2 limit per shopper · 3 now in ms
-- Returns "armed" the first time, "again" on a repeat of the same epoch on the same node.
-- Errors FENCED: the keys exist for another node or epoch. BADCALL: the caller is wrong.
-- Repeat safe. Units come later, by grant.lua.

local epoch, limit, now_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if not epoch or not limit or limit < 1 or limit % 1 ~= 0 or not now_ms then
  return redis.error_reply("BADCALL epoch, limit, now_ms")
end

local node = redis.call("CLUSTER", "MYID")
local ctl = redis.call("HMGET", KEYS[1], "epoch", "node")
if ctl[1] == epoch and ctl[2] == node then
  return "again"
end
if ctl[1] or redis.call("EXISTS", KEYS[2], KEYS[3]) > 0 then
  return redis.error_reply("FENCED the keys of epoch " .. epoch .. " were armed elsewhere")
end

redis.call("XGROUP", "CREATE", KEYS[3], "relay", "0", "MKSTREAM")
redis.call("SET", KEYS[2], "0")
redis.call("HSET", KEYS[1], "epoch", epoch, "node", node, "limit", limit, "armed_at_ms", now_ms)
return "armed"
