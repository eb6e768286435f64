#!lua flags=no-writes
-- Read one item's queue in one atomic step: for the controller's tick, and tests.
--
-- Costs O(places called and not written off / 8), not O(visitors).
--
-- KEYS  1 ctl · 2 numbers · 3 lobby · 4… came, one a bucket
-- ARGV  1 generation
-- Returns {window, numbers, lobby numbers, came, lobby, ms of this node's clock, gaps}; numbers are the next
--         of each bucket, came how many of the places from written_off to served_until did, all joined by
--         ","; lobby is "open" or "closed"; gaps as open_queue.lua has them.
-- Errors FENCED: another generation, another life, or something is missing. BADCALL.
-- Reads only.

local buckets = #KEYS - 3
if #ARGV ~= 1 or buckets < 1 then
  return redis.error_reply("BADCALL argument count")
end
local ctl = redis.call("HMGET", KEYS[1], "generation", "life", "buckets", "window", "lobby", "gaps")
local life = "\nmaster_replid:" .. (ctl[2] or "") .. "\r\n"
if ctl[1] ~= ARGV[1] or tonumber(ctl[3]) ~= buckets or not ctl[4] or not ctl[5] or not ctl[6]
    or not string.find(redis.call("INFO", "replication"), life, 1, true) then
  return redis.error_reply("FENCED generation " .. ARGV[1] .. " is not open here")
end

local numbers, lobby, came = {}, {}, {}
for served, written in string.gmatch(ctl[4], "(%d+):(%d+):%d+") do
  local b = #came
  numbers[b + 1] = redis.call("HGET", KEYS[2], b)
  lobby[b + 1] = redis.call("HGET", KEYS[3], b)
  if not numbers[b + 1] or not lobby[b + 1] then
    return redis.error_reply("FENCED a counter is missing")
  end
  local last = tonumber(served) - 1
  came[b + 1] = last >= tonumber(written)
    and redis.call("BITCOUNT", KEYS[4 + b], written, last, "BIT") or 0
end
local time = redis.call("TIME")
return { ctl[4], table.concat(numbers, ","), table.concat(lobby, ","), table.concat(came, ","), ctl[5],
  time[1] * 1000 + math.floor(time[2] / 1000), ctl[6] }
