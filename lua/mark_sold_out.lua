#!lua
-- Say that no unit is left anywhere, so that an empty shard answers sold_out instead of "try again".
--
-- Only the stock agent knows that the pool and every shard are empty; a shard alone cannot. The
-- stock is looked at again here, because a grant may have landed since the agent read it.
--
-- KEYS  1 ctl · 2 avail
-- ARGV  1 epoch
-- Returns 1 when the mark stands, 0 when the shard holds units again.
-- Errors FENCED: the shard is not armed for this epoch on this node.
-- Repeat safe. grant.lua takes the mark away.

local ctl = redis.call("HMGET", KEYS[1], "epoch", "node")
local avail = tonumber(redis.call("GET", KEYS[2]))
if ctl[1] ~= ARGV[1] or ctl[2] ~= redis.call("CLUSTER", "MYID") or not avail then
  return redis.error_reply("FENCED epoch " .. tostring(ARGV[1]) .. " is not armed here")
end
if avail > 0 then
  return 0
end
redis.call("HSET", KEYS[1], "sold_out", "1")
return 1
