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
local CHUNK = 256 -- lines of one BITFIELD, 16 words each: Lua's stack has 8000

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

local lobby_next, lobby_taken, numbers_next, numbers_taken = {}, {}, {}, {}
for b = 0, #ceilings - 1 do
  lobby_next[b] = tonumber(redis.call("HGET", KEYS[2], b) or nil)
  numbers_next[b] = tonumber(redis.call("HGET", KEYS[4], b) or nil)
  if not lobby_next[b] or not numbers_next[b] then
    return redis.error_reply("FENCED a counter is missing")
  end
  lobby_taken[b], numbers_taken[b] = 0, 0
end

-- Set the bits of lines first to last, those of a line in one go with the others: which were set before.
-- A line for which there may be no lobby number sets none: it may try again.
local function set_bits(first, last)
  local call, room = {}, {}
  for i = first, last do
    local line = lines[i]
    local b = line[1]
    room[b] = room[b] or lobby_ceilings[b + 1] - lobby_next[b] - lobby_taken[b]
    line.has_room = room[b] > 0
    if line.has_room then
      room[b] = room[b] - 1
      for p = 2, 5 do
        local at = #call
        call[at + 1], call[at + 2], call[at + 3], call[at + 4] = "SET", "u1", line[p], 1
      end
    end
  end
  return #call > 0 and redis.call("BITFIELD", KEYS[3], unpack(call)) or {}
end

local function take(next_number, taken, b, kind)
  local number = next_number[b] + taken[b]
  taken[b] = taken[b] + 1
  return kind .. string.format("%.0f", number)
end

local answers = {}
for first = 1, n, CHUNK do
  local last = math.min(first + CHUNK - 1, n)
  local before, at = set_bits(first, last), 0
  for i = first, last do
    local b = lines[i][1]
    if not lines[i].has_room then
      answers[i] = "N"
    else
      local was_seen = before[at + 1] + before[at + 2] + before[at + 3] + before[at + 4] == 4
      at = at + 4
      if not was_seen then
        answers[i] = take(lobby_next, lobby_taken, b, "L")
      elseif numbers_next[b] + numbers_taken[b] < ceilings[b + 1] then
        answers[i] = take(numbers_next, numbers_taken, b, "F")
      else
        answers[i] = "N"
      end
    end
  end
end
for b = 0, #ceilings - 1 do
  if lobby_taken[b] > 0 then
    redis.call("HINCRBY", KEYS[2], b, lobby_taken[b])
  end
  if numbers_taken[b] > 0 then
    redis.call("HINCRBY", KEYS[4], b, numbers_taken[b])
  end
end
return { tonumber(ctl[1]), table.concat(answers, ",") }
