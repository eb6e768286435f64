#!lua
-- Open an item's queue for one generation in one life of its node (DESIGN §6).
--
-- The queue controller calls it before the first number is handed out, and again, with the next
-- generation, whenever the counters cannot be trusted any more: the node restarted, was promoted, or the
-- queue moves to another cluster. Counters go on at what the controller has stored as never handed out, so
-- a counter that was lost or rolled back gives no low place a second time.
--
-- KEYS  1 ctl · 2 numbers · 3 lobby · 4 seen · 5… came, one a bucket
-- ARGV  1 generation ≥ 1 · 2 life: master_replid of the node · 3 oldest: tickets of earlier generations are
--       none · 4 window, "served_until:written_off:per_ks" a bucket, joined by "," · 5 next number a bucket
--       · 6 first number a bucket that may not be handed out · 7 and 8 the same of the lobby · 9 "open" or
--       "closed": the lobby
-- Returns "opened", or "again" where this generation is open in this life; nothing changes then.
-- Errors FENCED: another life, a newer generation, or this generation in an earlier life. BADCALL.
-- Invariant a number is handed out once in all generations, if (5) is at least every earlier (6).
-- Between the counter that is found here and the next one (5) lie numbers that nobody holds; take_numbers.lua
-- tells them, so that nobody is told that they are before him. A counter that was lost counts as 0, which
-- tells later ones too small a place: nothing here knows better.
-- Repeat safe. What came is kept from one generation to the next, and forgotten with its tickets (3 = 1).

local generation, oldest = tonumber(ARGV[1]), tonumber(ARGV[3])
local buckets = #KEYS - 4
if #ARGV ~= 9 or buckets < 1 or not generation or generation < 1 or generation % 1 ~= 0 or not oldest
    or oldest < 1 or oldest > generation or (ARGV[9] ~= "open" and ARGV[9] ~= "closed") then
  return redis.error_reply("BADCALL generation, oldest, lobby")
end

local function counts(text)
  local list = {}
  for number in string.gmatch(text, "%d+") do
    list[#list + 1] = number
  end
  return #list == buckets and table.concat(list, ",") == text and list or nil
end

local _, windows = string.gsub(ARGV[4], "%d+:%d+:%d+", "")
local numbers, ceilings, lobby = counts(ARGV[5]), counts(ARGV[6]), counts(ARGV[7])
if windows ~= buckets or not numbers or not ceilings or not lobby or not counts(ARGV[8]) then
  return redis.error_reply("BADCALL one of each a bucket")
end

local life = "\nmaster_replid:" .. ARGV[2] .. "\r\n"
if not string.find(redis.call("INFO", "replication"), life, 1, true) then
  return redis.error_reply("FENCED another life")
end
local ctl = redis.call("HMGET", KEYS[1], "generation", "life")
local stored = tonumber(ctl[1]) or 0
if stored == generation and ctl[2] == ARGV[2] then
  return "again"
end
if stored >= generation then
  return redis.error_reply("FENCED generation " .. stored .. " is open")
end

local gaps = {}
if oldest < generation then
  local counted = {}
  for b = 1, buckets do
    counted[b] = tonumber(redis.call("HGET", KEYS[2], b - 1) or nil) or 0
    if counted[b] < tonumber(numbers[b]) then
      gaps[#gaps + 1] = string.format("%d:%.0f:%s", b - 1, counted[b], numbers[b])
    end
  end
  -- Those of before, but for who counts from 0 again: his new one covers them.
  for b, first, beyond in string.gmatch(redis.call("HGET", KEYS[1], "gaps") or "", "(%d+):(%d+):(%d+)") do
    if (counted[b + 1] or 0) >= tonumber(beyond) then
      gaps[#gaps + 1] = b .. ":" .. first .. ":" .. beyond
    end
  end
end

redis.call("DEL", KEYS[1], KEYS[2], KEYS[3])
redis.call("HSET", KEYS[1], "generation", generation, "life", ARGV[2], "oldest", oldest,
  "buckets", buckets, "window", ARGV[4], "ceilings", ARGV[6], "lobby_ceilings", ARGV[8],
  "lobby", ARGV[9], "gaps", table.concat(gaps, " "))
for b = 1, buckets do
  redis.call("HSET", KEYS[2], b - 1, numbers[b])
  redis.call("HSET", KEYS[3], b - 1, lobby[b])
end
if oldest == generation then
  redis.call("UNLINK", unpack(KEYS, 4))
end
return "opened"
