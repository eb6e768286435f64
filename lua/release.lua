#!lua
-- Say what counts of a reservation against its shopper's limit: nothing once it has ended, or the quantity
-- of an order that was made without this shard, of money that came late.
--
-- What has ended stays known, with quantity 0, and becomes known where it was not (its epoch was lost, the
-- order came late): forgotten, a retry of the same purchase would take a unit under an id that PostgreSQL has
-- answered. The units do not come back here; they went to the pool and come by grant.lua.
--
-- KEYS  1 ctl · 2 avail · 3 buyers
-- ARGV  1 epoch · 2 shopper · 3 reservation_id · 4 quantity, 0 when missing
-- Returns 1 when it was written, 0 when it stood with this quantity already.
-- Errors FENCED: the shard is not armed for this epoch in this life. BADCALL: the caller is wrong.
-- Repeat safe.

local epoch, shopper, reservation_id, qty = ARGV[1], ARGV[2], ARGV[3], ARGV[4] or "0"
if not epoch or not shopper or shopper == "" or not reservation_id or reservation_id == ""
    or string.find(reservation_id, "[,=]") or not string.find(qty, "^%d+$") then
  return redis.error_reply("BADCALL epoch, shopper, reservation_id, quantity")
end
local ctl = redis.call("HMGET", KEYS[1], "epoch", "disarmed", "life", "limit")
local avail = tonumber(string.match(redis.call("GET", KEYS[2]) or "", "^%d+$"))
local life = "\nmaster_replid:" .. (ctl[3] or "") .. "\r\n"
if ctl[1] ~= epoch or ctl[2] or not tonumber(ctl[4]) or not avail
    or not string.find(redis.call("INFO", "replication"), life, 1, true) then
  return redis.error_reply("FENCED epoch " .. epoch .. " is not armed here")
end

local mine = redis.call("HGET", KEYS[3], shopper) or ""
local counts, others = reservation_id .. "=" .. qty, {}
for reservation in string.gmatch(mine, "[^,]+") do
  if reservation == counts then
    return 0
  end
  if string.sub(reservation, 1, #reservation_id + 1) ~= reservation_id .. "=" then
    others[#others + 1] = reservation
  end
end
others[#others + 1] = counts
redis.call("HSET", KEYS[3], shopper, table.concat(others, ","))
return 1
