#!lua flags=no-writes
-- Read one shard's books in one atomic step: for the agent's round, reconciliation and tests.
--
-- Costs O(grants + reclaims), not O(winners). The flag lets it run where nothing can be written (full, or
-- without replicas): that is when somebody wants to look.
--
-- KEYS  1 ctl · 2 avail · 3 buyers · 4 outbox · 5 grants · 6 reclaims · 7 bans
-- ARGV  1 epoch
-- Returns {avail, sold, granted, winners, outbox length, sold_out, reclaimed, balanced, lacking, bans,
--         fault}
--         avail is -1 when it is missing or no count; winners are the shoppers known, ended ones among them;
--         sold_out (0 or 1) is a mark with nothing left that reserve.lua would believe now; balanced (0 or 1)
--         is the invariant; bans are the shoppers in that hash, over or not; fault says why the scripts would
--         answer FENCED, "" when they would not. A missing hash or stream counts as empty.
-- Invariant granted − reclaimed = avail + sold.
-- Reads only.

local MARK_LIFE_MS = 1000

local function sum(key)
  local total = 0
  for _, qty in ipairs(redis.call("HVALS", key)) do
    total = total + tonumber(qty)
  end
  return total
end

local ctl = redis.call("HMGET", KEYS[1], "epoch", "disarmed", "life", "limit",
  "sold", "lacking", "sold_out", "left")
local avail = tonumber(string.match(redis.call("GET", KEYS[2]) or "", "^%d+$"))
local life = "\nmaster_replid:" .. (ctl[3] or "") .. "\r\n"
local sold, granted, reclaimed = tonumber(ctl[5]), sum(KEYS[5]), sum(KEYS[6])

local fault = ""
if not ctl[1] or not avail then
  fault = "its keys are gone"
elseif ctl[2] then
  fault = "it is disarmed"
elseif ctl[1] ~= ARGV[1] or not tonumber(ctl[4]) or not sold then
  fault = "its control record is not of this epoch"
elseif not string.find(redis.call("INFO", "replication"), life, 1, true) then
  fault = "it was armed in another life"
end

local is_sold_out, marked_ms = false, tonumber(ctl[7])
if marked_ms and ctl[8] == "0" then
  local time = redis.call("TIME")
  local age_ms = time[1] * 1000 + math.floor(time[2] / 1000) - marked_ms
  is_sold_out = age_ms >= 0 and age_ms < MARK_LIFE_MS
end
return {
  avail or -1,
  sold or 0,
  granted,
  redis.call("HLEN", KEYS[3]),
  redis.call("XLEN", KEYS[4]),
  is_sold_out and 1 or 0,
  reclaimed,
  (avail or -1) + (sold or 0) == granted - reclaimed and 1 or 0,
  tonumber(ctl[6]) or 0,
  redis.call("HLEN", KEYS[7]),
  fault,
}
