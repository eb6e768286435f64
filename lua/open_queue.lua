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
--       "closed": the lobby · 10 numbers that nobody holds, "bucket:first:beyond" joined by " ": each from
--       what the controller saw last in a generation to where the following one began
-- Returns "opened", or "again" where this generation is open in this life; nothing changes then.
-- Errors FENCED: another life, a newer generation, or this generation in an earlier life. BADCALL.
-- Invariant a number is handed out once in all generations, if (5) is at least every earlier (6).
-- take_numbers.lua tells (10), so that nobody is told that those are before him. What was handed out after
-- the controller looked for the last time is known here alone: a counter that is found inside of a gap moves
-- its beginning. One that was lost, rolled back or left behind by a change of clusters moves none.
-- Repeat safe. What came is kept from one generation to the next, and forgotten with its tickets (3 = 1).

local generation, oldest = tonumber(ARGV[1]), tonumber(ARGV[3])
local buckets = #KEYS - 4
if #ARGV ~= 10 or buckets < 1 or not generation or generation < 1 or generation % 1 ~= 0 or not oldest
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

for word in string.gmatch(ARGV[10], "%S+") do
  local b = tonumber(string.match(word, "^(%d+):%d+:%d+$") or nil)
  if not b or b >= buckets then
    return redis.error_reply("BADCALL gaps")
  end
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

local counted, gaps = {}, {}
for b = 1, buckets do
  counted[b] = tonumber(redis.call("HGET", KEYS[2], b - 1) or nil) or 0
end
for b, first, beyond in string.gmatch(ARGV[10], "(%d+):(%d+):(%d+)") do
  local found = counted[tonumber(b) + 1]
  if found > tonumber(first) and found < tonumber(beyond) then
    first = string.format("%.0f", found)
  end
  gaps[#gaps + 1] = b .. ":" .. first .. ":" .. beyond
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
