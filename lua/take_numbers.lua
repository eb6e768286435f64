#!lua
-- Numbers in the queue for everybody who waits in one gateway worker, in one call (DESIGN §6).
--
-- The gateway may only EVALSHA: a node that restarted or was promoted does not know the script, or is in
-- another life than the queue was opened in, and hands out nothing until the controller has opened the
-- next generation.
--
-- KEYS  1 ctl · 2 numbers · 3… came, one a bucket
-- ARGV  1 how many numbers each bucket wants, joined by "," · 2 places that came, "bucket:place" joined
--       by " " · 3 places that were written off and whose holders ask again, in the same form
-- Returns {generation, oldest, window, sold_out, firsts, asked, gaps}
--         window as the controller wrote it; sold_out is 1 while its mark is younger than 1 s; firsts: the
--         first of each bucket's block, joined by ","; asked: for each place of (3) "came" when it did before
--         it was written off, else a new number; -1 stands where none may be handed out now; gaps: numbers
--         that nobody holds, "bucket:first:beyond" joined by " ", the last is none of them.
-- Errors FENCED: the queue is not open in this life, or has other buckets. BADCALL: the caller is wrong.
-- Invariant no number is handed out twice, and none from ctl.ceilings on: what the controller has stored.
-- Not repeat safe, and need not be: a number that nobody heard of is a place whose holder does not come.

local MARK_LIFE_MS = 1000
local ASKED_MAX = 1024

local buckets = #KEYS - 2
local ctl = redis.call("HMGET", KEYS[1], "generation", "life", "oldest", "buckets", "window",
  "ceilings", "sold_out", "gaps")
local life = "\nmaster_replid:" .. (ctl[2] or "") .. "\r\n"
if not tonumber(ctl[1]) or tonumber(ctl[4]) ~= buckets or not ctl[5] or not ctl[6]
    or not string.find(redis.call("INFO", "replication"), life, 1, true) then
  return redis.error_reply("FENCED the queue is not open here")
end

local next_number, ceiling, served_until = {}, {}, {}
for number in string.gmatch(ctl[6], "%d+") do
  ceiling[#ceiling + 1] = tonumber(number)
end
for served in string.gmatch(ctl[5], "(%d+):%d+:%d+") do
  served_until[#served_until + 1] = tonumber(served)
end
for b = 1, buckets do
  next_number[b] = tonumber(redis.call("HGET", KEYS[2], b - 1) or nil)
  if not next_number[b] then
    return redis.error_reply("FENCED a counter is missing")
  end
end

local wanted = {}
for count in string.gmatch(ARGV[1] or "", "%d+") do
  wanted[#wanted + 1] = tonumber(count)
end
local asked = {}
for b, place in string.gmatch(ARGV[3] or "", "(%d+):(%d+)") do
  asked[#asked + 1] = { tonumber(b) + 1, tonumber(place) }
  if tonumber(b) >= buckets then
    return redis.error_reply("BADCALL bucket " .. b)
  end
end
if #ARGV ~= 3 or #wanted ~= buckets or #asked > ASKED_MAX then
  return redis.error_reply("BADCALL argument count")
end

for b, place in string.gmatch(ARGV[2], "(%d+):(%d+)") do
  local served = served_until[tonumber(b) + 1]
  -- Bits of served places only: else one call could make the bitmap as large as a string may be.
  if served and tonumber(place) < served then
    redis.call("SETBIT", KEYS[3 + b], place, 1)
  end
end

local function take(b, count)
  local first = next_number[b]
  if first + count > ceiling[b] then
    return -1
  end
  next_number[b] = first + count
  if count > 0 then
    redis.call("HINCRBY", KEYS[2], b - 1, count)
  end
  return first
end

local firsts, answers = {}, {}
for b = 1, buckets do
  firsts[b] = take(b, wanted[b])
end
for i, one in ipairs(asked) do
  local b, place = one[1], one[2]
  local came = place < served_until[b] and redis.call("GETBIT", KEYS[2 + b], place) == 1
  answers[i] = came and "came" or take(b, 1)
end

local is_sold_out, marked_ms = false, tonumber(ctl[7] or nil)
if marked_ms then
  local time = redis.call("TIME")
  local age_ms = time[1] * 1000 + math.floor(time[2] / 1000) - marked_ms
  is_sold_out = age_ms >= 0 and age_ms < MARK_LIFE_MS
end
return { tonumber(ctl[1]), tonumber(ctl[3]), ctl[5], is_sold_out and 1 or 0,
  table.concat(firsts, ","), table.concat(answers, ","), ctl[8] or "" }
