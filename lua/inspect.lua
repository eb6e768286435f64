#!lua
-- Read one shard's books in one atomic step, for reconciliation and tests.
--
-- Costs O(winners): it adds up every buyer. Not for a running sale; the agent's loop reads avail alone.
--
-- KEYS  1 ctl · 2 avail · 3 buyers · 4 outbox · 5 grants
-- Returns {avail, sold, granted, winners, outbox length, sold_out (0 or 1)}; avail is -1 when the key
--         is missing, and a missing hash or stream counts as empty.
-- Invariant granted = avail + sold (reclaims will be subtracted when there are any).
-- Reads only.

local sold, buyers = 0, redis.call("HVALS", KEYS[3])
for _, reservations in ipairs(buyers) do
  for qty in string.gmatch(reservations, "=(%d+)") do
    sold = sold + tonumber(qty)
  end
end
local granted = 0
for _, qty in ipairs(redis.call("HVALS", KEYS[5])) do
  granted = granted + tonumber(qty)
end
return {
  tonumber(redis.call("GET", KEYS[2]) or -1),
  sold,
  granted,
  #buyers,
  redis.call("XLEN", KEYS[4]),
  redis.call("HGET", KEYS[1], "sold_out") == "1" and 1 or 0,
}
