#!lua
-- Take units for a batch of shoppers of one shard, in one atomic step (DESIGN §4.5, §5).
--
-- A template: the stock agent replaces @TAG@ and @EPOCH@ and loads the result, so every (item, shard,
-- epoch) has a SHA of its own. The gateway may only EVALSHA; a Redis that restarted or was promoted does
-- not know the SHA, answers NOSCRIPT and so sells nothing until the agent has armed a new epoch.
-- The shebang without flags makes Redis refuse the whole call on OOM, on a read-only replica and
-- when min-replicas-to-write is not met. Lua errors do not roll back: all checks stand before the
-- first write, and XADD, the only write that could still fail (wrong type), comes first.
--
-- KEYS  1 ctl · 2 avail · 3 buyers · 4 outbox        all with the hash tag @TAG@
-- ARGV  1 n, the number of requests, at most 1024; then four per request:
--       shopper · reservation_id · qty (integer ≥ 1) · intent (JSON without newline, the Kafka value)
-- Returns {codes, again}: codes is one byte per request, in order:
--       R reserved now     A reserved before by the same reservation_id (the stored qty stands in again)
--       L limit_reached    E shard empty, other units may still come     S sold out
--       again is the stored qty of each A, in order, joined by ","
-- Errors FENCED: this shard is not armed for this epoch on this node. BADCALL: the caller is wrong.
-- Invariant avail + Σ qty in buyers = Σ grants − Σ reclaims; every R stands in exactly one outbox entry.
-- Repeat safe: a reservation_id that won is answered A and takes nothing.

local TAG, EPOCH = "@TAG@", "@EPOCH@"
local ARGS_PER_REQUEST = 4
-- HSET unpacks two values a winner onto Lua's stack of 8000; beyond it the call would fail after XADD.
local MAX_REQUESTS = 1024

if KEYS[1] ~= TAG .. ":ctl" or #KEYS ~= 4 then
  return redis.error_reply("BADCALL keys of another shard")
end
local n = tonumber(ARGV[1])
if not n or n < 1 or n > MAX_REQUESTS or n % 1 ~= 0
    or #ARGV ~= 1 + n * ARGS_PER_REQUEST then
  return redis.error_reply("BADCALL argument count")
end

local ctl = redis.call("HMGET", KEYS[1], "epoch", "node", "limit", "sold_out")
-- Plain digits only: tonumber also takes "1e3" and " 5", on which DECRBY would fail after XADD.
local avail = tonumber(string.match(redis.call("GET", KEYS[2]) or "", "^%d+$"))
local limit = tonumber(ctl[3])
if ctl[1] ~= EPOCH or ctl[2] ~= redis.call("CLUSTER", "MYID") or not limit or not avail then
  return redis.error_reply("FENCED epoch " .. EPOCH .. " is not armed here")
end

local shoppers, quantities = {}, {}
for i = 1, n do
  local at = 2 + (i - 1) * ARGS_PER_REQUEST
  local qty = tonumber(ARGV[at + 2])
  if not qty or qty < 1 or qty % 1 ~= 0 then
    return redis.error_reply("BADCALL qty of request " .. i)
  end
  shoppers[i], quantities[i] = ARGV[at], qty
end
local held = redis.call("HMGET", KEYS[3], unpack(shoppers))

-- A buyers value is "reservation_id=qty", joined by "," where the limit allows several.
local function units_of(reservations)
  local sum = 0
  for qty in string.gmatch(reservations, "=(%d+)") do
    sum = sum + tonumber(qty)
  end
  return sum
end

local codes, again, intents, taken, bought = {}, {}, {}, 0, {}
local out_of_stock = ctl[4] == "1" and "S" or "E"
for i = 1, n do
  local shopper, qty = shoppers[i], quantities[i]
  local reservation_id = ARGV[3 + (i - 1) * ARGS_PER_REQUEST]
  -- bought first: an earlier request of this very batch may be of the same shopper.
  local mine = bought[shopper] or held[i]
  local known = mine and string.find(mine, reservation_id .. "=", 1, true)
  if known then
    codes[i] = "A"
    again[#again + 1] = string.match(mine, "^%d+", known + #reservation_id + 1)
  elseif qty + (mine and units_of(mine) or 0) > limit then
    codes[i] = "L"
  elseif taken + qty > avail then
    codes[i] = out_of_stock
  else
    codes[i] = "R"
    taken = taken + qty
    bought[shopper] = (mine and mine .. "," or "") .. reservation_id .. "=" .. qty
    intents[#intents + 1] = ARGV[5 + (i - 1) * ARGS_PER_REQUEST]
  end
end

if taken > 0 then
  local buyers = {}
  for shopper, reservations in pairs(bought) do
    buyers[#buyers + 1] = shopper
    buyers[#buyers + 1] = reservations
  end
  redis.call("XADD", KEYS[4], "*", "v", "1", "n", #intents, "intents", table.concat(intents, "\n"))
  redis.call("HSET", KEYS[3], unpack(buyers))
  redis.call("DECRBY", KEYS[2], taken)
end
return { table.concat(codes), table.concat(again, ",") }
