#!lua flags=allow-oom
-- Close the lobby of a draw: from here on its sizes stand (DESIGN §6).
--
-- Runs on a full server too (allow-oom): it frees the filter, and without sizes there is no draw.
--
-- KEYS  1 ctl · 2 lobby · 3 seen · 4… came, one a bucket (for their number only)
-- ARGV  1 generation
-- Returns how many numbers each bucket's lobby handed out, joined by ",".
-- Errors FENCED: another generation or another life, or a counter is missing. BADCALL.
-- Invariant in one step with join_lobby.lua: a number was handed out before it, or never.
-- Repeat safe: the same sizes.

local buckets = #KEYS - 3
if #ARGV ~= 1 or buckets < 1 then
  return redis.error_reply("BADCALL argument count")
end
local ctl = redis.call("HMGET", KEYS[1], "generation", "life", "buckets")
local life = "\nmaster_replid:" .. (ctl[2] or "") .. "\r\n"
if ctl[1] ~= ARGV[1] or tonumber(ctl[3]) ~= buckets
    or not string.find(redis.call("INFO", "replication"), life, 1, true) then
  return redis.error_reply("FENCED generation " .. ARGV[1] .. " is not open here")
end
local sizes = {}
for b = 1, buckets do
  sizes[b] = redis.call("HGET", KEYS[2], b - 1)
  if not sizes[b] then
    return redis.error_reply("FENCED a counter is missing")
  end
end
redis.call("HSET", KEYS[1], "lobby", "closed")
redis.call("UNLINK", KEYS[3])
return table.concat(sizes, ",")
