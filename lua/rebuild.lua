#!lua
-- Write what shoppers already hold into an epoch that is not armed yet (DESIGN §5 "Re-arm").
--
-- Without it a new epoch would sell every shopper his limit again. What ended or was rejected is written with
-- quantity 0: forgotten, a retry of that purchase would take a unit under an id that PostgreSQL has answered.
-- Called many times, PostgreSQL's decisions first, then the old epochs' buyers: what stands is kept.
--
-- KEYS  1 ctl · 2 avail · 3 buyers · 4 outbox
-- ARGV  1 epoch · 2 life; then up to 1000 times: shopper · reservation_id · qty (integer ≥ 0)
-- Returns 1 when all of them stand, 0 when the epoch is armed in this life: then they were written before,
--         shoppers may have bought since, and nothing is changed. Not an error, because two agents that met
--         it would re-arm each other for ever.
-- Errors FENCED: the node lives another life, or the keys are of another life or epoch, or were disarmed.
--        BADCALL: the caller is wrong.
-- Repeat safe.

local ARGS_PER_RESERVATION = 3
-- HSET unpacks two values a shopper onto Lua's stack of 8000.
local MAX_RESERVATIONS = 1000

local epoch, life, n = ARGV[1], ARGV[2], (#ARGV - 2) / ARGS_PER_RESERVATION
if not epoch or not life or not string.find(life, "^%x+$")
    or n < 1 or n > MAX_RESERVATIONS or n % 1 ~= 0 then
  return redis.error_reply("BADCALL epoch, life, argument count")
end

if not string.find(redis.call("INFO", "replication"), "\nmaster_replid:" .. life .. "\r\n", 1, true) then
  return redis.error_reply("FENCED epoch " .. epoch .. " belongs to another life")
end
local ctl = redis.call("HMGET", KEYS[1], "epoch", "life", "disarmed")
if ctl[1] == epoch and ctl[2] == life and not ctl[3] then
  return 0
end
if redis.call("EXISTS", KEYS[1], KEYS[2], KEYS[4]) > 0 then
  return redis.error_reply("FENCED the keys of epoch " .. epoch .. " were armed elsewhere or disarmed")
end

local shoppers = {}
for i = 1, n do
  local at = ARGS_PER_RESERVATION * i
  local reservation_id, qty = ARGV[at + 1], ARGV[at + 2]
  if reservation_id == "" or string.find(reservation_id, "[,=]") or not string.find(qty, "^%d+$") then
    return redis.error_reply("BADCALL reservation " .. i)
  end
  shoppers[i] = ARGV[at]
end
local held = redis.call("HMGET", KEYS[3], unpack(shoppers))

local known = {}
for i = 1, n do
  local at = ARGS_PER_RESERVATION * i
  local reservation_id, qty = ARGV[at + 1], ARGV[at + 2]
  local mine = known[shoppers[i]] or held[i]
  if not mine then
    known[shoppers[i]] = reservation_id .. "=" .. qty
  elseif not string.find("," .. mine, "," .. reservation_id .. "=", 1, true) then
    known[shoppers[i]] = mine .. "," .. reservation_id .. "=" .. qty
  end
end
local buyers = {}
for shopper, reservations in pairs(known) do
  buyers[#buyers + 1] = shopper
  buyers[#buyers + 1] = reservations
end
if #buyers > 0 then
  redis.call("HSET", KEYS[3], unpack(buyers))
end
return 1
