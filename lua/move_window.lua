#!lua
-- Move the admission window of an item's queue (DESIGN §6).
--
-- KEYS  1 ctl
-- ARGV  1 generation · 2 window, "served_until:written_off:per_ks" a bucket, joined by "," · 3 ceilings:
--       first number a bucket that may not be handed out, joined by "," · 4 the same of the lobby · 5 ms of
--       this node's clock when nothing was seen to be left anywhere, 0 when something is
-- Returns the window that stands now.
-- Errors FENCED: another generation or another life. BADCALL: the caller is wrong.
-- Invariant served_until, written_off and ceilings never go back, so a controller that was slow takes no
--       place away from anybody whom a quicker one has called.
-- Repeat safe.

local ctl = redis.call("HMGET", KEYS[1], "generation", "life", "window", "ceilings", "lobby_ceilings",
  "sold_out")
local life = "\nmaster_replid:" .. (ctl[2] or "") .. "\r\n"
local marked_ms = tonumber(ARGV[5] or nil)
if #ARGV ~= 5 or not marked_ms then
  return redis.error_reply("BADCALL argument count")
end
if ctl[1] ~= ARGV[1] or not ctl[3]
    or not string.find(redis.call("INFO", "replication"), life, 1, true) then
  return redis.error_reply("FENCED generation " .. ARGV[1] .. " is not open here")
end

local function forward(before, now)
  local list, place = {}, 0
  local following = string.gmatch(now, "%d+")
  for number in string.gmatch(before, "%d+") do
    list[#list + 1] = string.format("%.0f", math.max(tonumber(number), tonumber(following() or nil) or 0))
    place = place + 1
  end
  return table.concat(list, ","), place
end

local parts = {}
local following = string.gmatch(ARGV[2], "(%d+):(%d+):(%d+)")
for served, written in string.gmatch(ctl[3], "(%d+):(%d+):%d+") do
  local new_served, new_written, per_ks = following()
  if not new_served then
    return redis.error_reply("BADCALL a window a bucket")
  end
  parts[#parts + 1] = string.format("%.0f:%.0f:%s", math.max(tonumber(served), tonumber(new_served)),
    math.max(tonumber(written), tonumber(new_written)), per_ks)
end
local window = table.concat(parts, ",")
redis.call("HSET", KEYS[1], "window", window, "ceilings", (forward(ctl[4], ARGV[3])),
  "lobby_ceilings", (forward(ctl[5], ARGV[4])))
if marked_ms == 0 then
  redis.call("HDEL", KEYS[1], "sold_out")
elseif marked_ms > (tonumber(ctl[6] or nil) or 0) then
  redis.call("HSET", KEYS[1], "sold_out", ARGV[5])
end
return window
