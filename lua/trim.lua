#!lua flags=allow-oom
-- Drop outbox entries below an id, once PostgreSQL has decided every reservation in them.
--
-- What PostgreSQL decided is the caller's knowledge; that Kafka has the entries is checked here: nothing
-- that the relay has not read or not acknowledged is ever dropped, whoever asks.
-- allow-oom: a full server must be able to get rid of what is decided.
--
-- KEYS  1 outbox
-- ARGV  1 id "ms-seq": entries with a smaller id go
-- Returns the number of entries dropped.
-- Errors UNRELAYED: an entry below the id is not delivered or not acknowledged; nothing was dropped.
-- Repeat safe.

local function parts(id)
  local ms, seq = string.match(id, "^(%d+)-(%d+)$")
  return tonumber(ms), tonumber(seq)
end

local function below(a, b)
  local a_ms, a_seq = parts(a)
  local b_ms, b_seq = parts(b)
  return a_ms < b_ms or (a_ms == b_ms and a_seq < b_seq)
end

local min_id = ARGV[1]
if not min_id or not parts(min_id) then
  return redis.error_reply("BADCALL id")
end
local last = redis.call("XREVRANGE", KEYS[1], "(" .. min_id, "-", "COUNT", 1)[1]
if not last then
  return 0
end

local delivered
for _, group in ipairs(redis.call("XINFO", "GROUPS", KEYS[1])) do
  local fields = {}
  for i = 1, #group, 2 do
    fields[group[i]] = group[i + 1]
  end
  if fields.name == "relay" then
    delivered = fields["last-delivered-id"]
  end
end
local oldest_pending = delivered and redis.call("XPENDING", KEYS[1], "relay")[2]
if not delivered or below(delivered, last[1])
    or (oldest_pending and below(oldest_pending, min_id)) then
  return redis.error_reply("UNRELAYED entries below " .. min_id)
end
return redis.call("XTRIM", KEYS[1], "MINID", min_id)
