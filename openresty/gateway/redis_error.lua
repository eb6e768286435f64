-- What an error reply of Redis means for the requests of a batch: the only such table.
--
-- refused: the script did not run and nothing was taken. fenced: as refused, and the shard must be armed
-- again first. moved: as refused, another node owns the slot. broken: as refused, but our own fault, logged.
-- Everything else is unknown: it may have run, so it is never told as "no".

local match = string.match

local VERDICTS = {
  NOSCRIPT = "fenced", -- restarted, promoted or another epoch's script
  FENCED = "fenced", -- reserve.lua: ctl names another epoch or node
  MOVED = "moved",
  ASK = "refused", -- slot in migration: the next attempt finds it settled
  TRYAGAIN = "refused",
  CLUSTERDOWN = "refused",
  LOADING = "refused",
  MASTERDOWN = "refused",
  READONLY = "refused",
  BUSY = "refused", -- a long script runs; ours did not start
  OOM = "refused",
  MISCONF = "refused", -- the AOF cannot be written
  NOREPLICAS = "refused",
  BADCALL = "broken",
  NOPERM = "broken",
  NOAUTH = "broken",
  WRONGPASS = "broken",
}

local _M = {}

--- reply: the text of an error reply. Returns its verdict.
function _M.verdict(reply)
  return VERDICTS[match(reply, "^(%u+)")] or "unknown"
end

return _M
