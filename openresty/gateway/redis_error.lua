-- What an error reply of Redis means for the requests of a batch: the only such table. README.md says
-- of each why, and tests/gateway/test_error_replies.py draws each out of a real Redis.
--
-- refused: the script did not run and nothing was taken. fenced: as refused, and the shard must be armed
-- again first. moved: as refused, another node owns the slot. broken: as refused, but our own fault, logged.
-- Everything else is unknown: it may have run, so it is never told as "no".

local match = string.match

local VERDICTS = {
  NOSCRIPT = "fenced", -- restarted, promoted or another epoch's script
  FENCED = "fenced", -- reserve.lua: ctl names another epoch or life, or the shard is disarmed
  MOVED = "moved",
  ASK = "refused", -- slot in migration; where it goes to the epoch's script is unknown
  TRYAGAIN = "refused", -- half of the keys are here, half are there
  CLUSTERDOWN = "refused",
  LOADING = "refused",
  MASTERDOWN = "refused",
  READONLY = "refused",
  BUSY = "refused", -- a long script runs; ours did not start
  OOM = "refused",
  MISCONF = "refused", -- it cannot write its disk
  NOREPLICAS = "refused",
  BADCALL = "broken",
  NOPERM = "broken",
  NOAUTH = "broken",
  WRONGPASS = "broken",
}

-- After these somebody else may own the slot already.
local OUTDATED_MAP = {
  MOVED = true, ASK = true, CLUSTERDOWN = true, LOADING = true, MASTERDOWN = true, READONLY = true,
}

local _M = {}

--- reply: the text of an error reply. Returns its verdict, and whether the slot map may be out of date.
function _M.verdict(reply)
  local word = match(reply, "^(%u+)")
  return VERDICTS[word] or "unknown", OUTDATED_MAP[word] or false
end

return _M
