#!lua
-- Lobby numbers for a batch of shoppers before a draw, one for each shopper (DESIGN §6).
--
-- Who joined is remembered in a Bloom filter of a fixed size, so a visitor costs no memory. A shopper
-- who joins again, or one in many of whom it is wrongly believed, gets a number behind the draw instead:
-- who joins often gains no chance, and nobody is turned away.
--
-- KEYS  1 ctl · 2 lobby · 3 seen · 4 numbers
-- ARGV  a line a shopper, 1 to 1024 of them: "bucket p p p p", p the positions of the shopper in the filter
-- Returns {generation, answers}: "L12" for lobby number 12, "F3" for number 3 behind the draw, "N" when none
--         may be handed out now, joined by ","; {generation, "closed"} once the lobby is closed.
-- Errors FENCED: the queue is not open in this life. BADCALL: the caller is wrong.
-- Invariant lobby numbers of a bucket are 0, 1, 2 … without a gap in one generation.
-- Not repeat safe: the second answer to the same shopper is an F.

local REQUESTS_MAX = 1024
local POSITION_MAX = 2 ^ 26 -- 8 MB

local n = #ARGV
if n < 1 or n > REQUESTS_MAX or #KEYS ~= 4 then
  return redis.error_reply("BADCALL argument count")
end
local ctl = redis.call("HMGET", KEYS[1], "generation", "life", "ceilings", "lobby_ceilings", "lobby")
local life = "\nmaster_replid:" .. (ctl[2] or "") .. "\r\n"
if not tonumber(ctl[1]) or not ctl[3] or not ctl[4]
    or not string.find(redis.call("INFO", "replication"), life, 1, true) then
  return redis.error_reply("FENCED the queue is not open here")
end
if ctl[5] ~= "open" then
  return { tonumber(ctl[1]), "closed" }
end

local function numbers_of(text)
  local list = {}
  for number in string.gmatch(text, "%d+") do
    list[#list + 1] = tonumber(number)
  end
  return list
end

local lines, ceilings, lobby_ceilings = {}, numbers_of(ctl[3]), numbers_of(ctl[4])
for i = 1, n do
  local line = numbers_of(ARGV[i])
  lines[i] = line
  local is_right = #line == 5 and line[1] < #ceilings
  for p = 2, 5 do
    is_right = is_right and line[p] < POSITION_MAX
  end
  if not is_right then
    return redis.error_reply("BADCALL line " .. i)
  end
end

local function take(key, b, ceiling)
  local first = tonumber(redis.call("HGET", key, b) or nil)
  if not first or first >= ceiling then
    return nil
  end
  redis.call("HINCRBY", key, b, 1)
  return first
end

local function answer(line)
  local b, was_seen = line[1], true
  for p = 2, 5 do
    was_seen = was_seen and redis.call("GETBIT", KEYS[3], line[p]) == 1
  end
  if was_seen then
    local number = take(KEYS[4], b, ceilings[b + 1])
    return number and "F" .. number or "N"
  end
  local number = take(KEYS[2], b, lobby_ceilings[b + 1])
  if not number then
    return "N"
  end
  for p = 2, 5 do
    redis.call("SETBIT", KEYS[3], line[p], 1)
  end
  return "L" .. number
end

local answers = {}
for i = 1, n do
  answers[i] = answer(lines[i])
end
return { tonumber(ctl[1]), table.concat(answers, ",") }
