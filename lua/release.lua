#!lua
-- Say that a reservation has ended: it counts no more against its shopper's limit.
--
-- It stays known, with quantity 0, and becomes known where it was not (its epoch was lost, the order came
-- late): forgotten, a retry of the same purchase would take a unit under an id that PostgreSQL has answered.
-- The units do not come back here; they went to the pool and come by grant.lua.
--
-- KEYS  1 ctl · 2 avail · 3 buyers
-- ARGV  1 epoch · 2 shopper · 3 reservation_id
-- Returns 1 when it was written, 0 when it stood as ended already.
-- Errors FENCED: the shard is not armed for this epoch in this life. BADCALL: the caller is wrong.
-- Repeat safe.

local epoch, shopper, reservation_id = ARGV[1], ARGV[2], ARGV[3]
if not epoch or not shopper or shopper == "" or not reservation_id or reservation_id == ""
    or string.find(reservation_id, "[,=]") then
  return redis.error_reply("BADCALL epoch, shopper, reservation_id")
end
local ctl = redis.call("HMGET", KEYS[1], "epoch", "disarmed", "life", "limit")
local avail = tonumber(string.match(redis.call("GET", KEYS[2]) or "", "^%d+$"))
local life = "\nmaster_replid:" .. (ctl[3] or "") .. "\r\n"
if ctl[1] ~= epoch or ctl[2] or not tonumber(ctl[4]) or not avail
    or not string.find(redis.call("INFO", "replication"), life, 1, true) then
  return redis.error_reply("FENCED epoch " .. epoch .. " is not armed here")
end

local mine = redis.call("HGET", KEYS[3], shopper) or ""
local ended, others = reservation_id .. "=0", {}
for reservation in string.gmatch(mine, "[^,]+") do
  if reservation == ended then
    return 0
  end
  if string.sub(reservation, 1, #reservation_id + 1) ~= reservation_id .. "=" then
    others[#others + 1] = reservation
  end
end
others[#others + 1] = ended
redis.call("HSET", KEYS[3], shopper, table.concat(others, ","))
return 1
