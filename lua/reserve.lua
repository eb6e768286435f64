#!lua
-- Take units for a batch of shoppers of one shard, in one atomic step (DESIGN §4.5, §5).
--
-- A template: the stock agent replaces @TAG@ and @EPOCH@ and loads the result, so every (item, shard,
-- epoch) has a SHA of its own. The gateway may only EVALSHA; a Redis that restarted or was promoted does
-- not know the SHA, answers NOSCRIPT and so sells nothing until the agent has armed a new epoch. One that
-- was promoted twice (A→B→A) does know it; its replication id, ctl.life, tells that time apart.
-- The shebang without flags makes Redis refuse the whole call on OOM, on a read-only replica and
-- when min-replicas-to-write is not met. Lua errors do not roll back: all checks stand before the
-- first write, and XADD, the only write that could still fail (wrong type), comes first.
--
-- KEYS  1 ctl · 2 avail · 3 buyers · 4 outbox        all with the hash tag @TAG@
--       It also reads @TAG@:bans, which has their slot. As a fifth key it would part gateways from epochs
--       that are older or newer than they; and most sales never have it.
-- ARGV  a line a request, 1 to 1024 of them, none with a newline:
--       "shopper reservation_id=qty device level at_ms", qty an integer ≥ 1; what follows it passes through
-- Returns {codes, again}: codes is one byte per request, in order:
--       R reserved now     A reserved before by the same reservation_id (the stored qty stands in again;
--       L limit_reached      0 when what came of it has ended)
--       B the shopper is banned, by ban.lua and the node's clock
--       S sold out         P fewer units are left in all shards together than this request asks for
--       E not here now, other units may still come
--       S and P only while the agent's mark is younger than 1 s; again is the stored qty of each A, in
--       order, joined by ",". ctl.lacking remembers the largest qty that heard E, for the agent.
-- Errors FENCED: this shard is not armed for this epoch in this life. BADCALL: the caller is wrong.
-- Invariant avail + sold = Σ grants − Σ reclaims; every R stands in exactly one outbox entry.
-- Repeat safe: a reservation_id that won is answered A and takes nothing.

local TAG, EPOCH = "@TAG@", "@EPOCH@"
-- HSET unpacks two values a winner onto Lua's stack of 8000; beyond it the call would fail after XADD.
local MAX_REQUESTS = 1024
-- Returned and added units must be on sale again a second later, also where a mark could not be taken away.
local MARK_LIFE_MS = 1000

if KEYS[1] ~= TAG .. ":ctl" or #KEYS ~= 4 then
  return redis.error_reply("BADCALL keys of another shard")
end
local n = #ARGV
if n < 1 or n > MAX_REQUESTS then
  return redis.error_reply("BADCALL argument count")
end

local ctl = redis.call("HMGET", KEYS[1], "epoch", "disarmed", "life", "limit",
  "sold", "lacking", "sold_out", "left", "bans")
-- Plain digits only: tonumber also takes "1e3" and " 5", on which DECRBY would fail after XADD.
local avail = tonumber(string.match(redis.call("GET", KEYS[2]) or "", "^%d+$"))
local life = "\nmaster_replid:" .. (ctl[3] or "") .. "\r\n"
local limit, sold = tonumber(ctl[4]), tonumber(string.match(ctl[5] or "", "^%d+$"))
if ctl[1] ~= EPOCH or ctl[2] or not limit or not sold or not avail
    or not string.find(redis.call("INFO", "replication"), life, 1, true) then
  return redis.error_reply("FENCED epoch " .. EPOCH .. " is not armed here")
end

local find, match, sub = string.find, string.match, string.sub

-- Searching for blanks and cutting costs a fifth less than one pattern; most want one unit.
local function read_line(line)
  local first = find(line, " ", 2, true)
  local second = first and find(line, " ", first + 1, true)
  if second then
    local wish = sub(line, first + 1, second - 1)
    local equals = find(wish, "=", 2, true) or -1
    local qty = sub(wish, equals) == "=1" and 1 or tonumber(match(wish, "^=([1-9]%d*)$", equals))
    return sub(line, 1, first - 1), wish, qty
  end
end

local shoppers, wishes, quantities = {}, {}, {}
for i = 1, n do
  shoppers[i], wishes[i], quantities[i] = read_line(ARGV[i])
  if not quantities[i] then
    return redis.error_reply("BADCALL line of request " .. i)
  end
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

-- The node's clock, read when it is needed and once a batch.
local read_ms
local function now_ms()
  if not read_ms then
    local time = redis.call("TIME")
    read_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return read_ms
end

-- Until when each shopper of the batch is banned, false for most; nil when no ban of this shard can stand.
local function ends_of_bans()
  local latest_ms = tonumber(ctl[9])
  if latest_ms and now_ms() < latest_ms then
    return redis.call("HMGET", TAG .. ":bans", unpack(shoppers))
  end
end

-- How many units are free in all shards together, as far as a mark says so; else there may be any number.
local function left_anywhere()
  local marked_ms, left = tonumber(ctl[7]), tonumber(ctl[8])
  if not marked_ms or not left then
    return math.huge
  end
  local age_ms = now_ms() - marked_ms
  -- A mark from the future is one from before the clock was set back.
  return age_ms >= 0 and age_ms < MARK_LIFE_MS and left or math.huge
end

local codes, again, lines, buyers, taken, bought = {}, {}, {}, {}, 0, {}
local won = 0
local left, lacking
local bans = ends_of_bans()
for i = 1, n do
  local shopper, qty = shoppers[i], quantities[i]
  -- bought first: an earlier request of this very batch may be of the same shopper.
  local mine = bought[shopper] or held[i]
  local id = mine and match(wishes[i], "^[^=]+=")
  local known = mine and string.find("," .. mine, "," .. id, 1, true)
  if known then
    codes[i] = "A"
    again[#again + 1] = match(mine, "^%d+", known + #id)
  elseif bans and (tonumber(bans[i]) or 0) > now_ms() then
    codes[i] = "B"
  elseif qty + (mine and units_of(mine) or 0) > limit then
    codes[i] = "L"
  elseif taken + qty > avail then
    left = left or left_anywhere()
    if qty <= left then
      codes[i], lacking = "E", math.max(lacking or 0, qty)
    else
      codes[i] = left == 0 and "S" or "P"
    end
  else
    codes[i] = "R"
    taken = taken + qty
    local all = mine and mine .. "," .. wishes[i] or wishes[i]
    bought[shopper] = all
    -- Of a shopper who wins twice in one batch the last value stands.
    won = won + 1
    lines[won], buyers[won * 2 - 1], buyers[won * 2] = ARGV[i], shopper, all
  end
end

if taken > 0 then
  redis.call("XADD", KEYS[4], "*", "v", "2", "n", won, "lines", table.concat(lines, "\n"))
  redis.call("HSET", KEYS[3], unpack(buyers))
  redis.call("DECRBY", KEYS[2], taken)
  redis.call("HSET", KEYS[1], "sold", sold + taken)
end
if lacking and lacking > (tonumber(ctl[6]) or 0) then
  redis.call("HSET", KEYS[1], "lacking", lacking)
end
return { table.concat(codes), table.concat(again, ",") }
