-- That nothing is left of an item in any shard, as long as this worker may believe it.
--
-- Most requests of a sale come after its last unit has gone. Redis said so (code S) a moment ago, so they
-- hear it from here, and one now and then goes on to Redis and finds out whether it is still true. Who says
-- that he asked before (header Purchase-Retry) goes on too: only Redis knows whether a lost answer had been
-- "reserved".

local ngx = ngx

-- With the second for which the script believes its mark, returned units are offered again after 1.25 s.
local BELIEVED_S = 0.25

local _M = {}

local until_s = {} -- item id, as text → end

--- Redis has just answered that all shards are empty. item_id: of an item of the snapshot, as text.
function _M.note(item_id)
  until_s[item_id] = ngx.now() + BELIEVED_S
end

--- Whether this shopper may be told so at once.
function _M.answers(item_id)
  local ends = until_s[item_id]
  if not ends then
    return false
  end
  local left_s = ends - ngx.now()
  -- More than it was given: the clock was set back.
  if left_s <= 0 or left_s > BELIEVED_S then
    until_s[item_id] = nil
    return false
  end
  return not ngx.var.http_purchase_retry
end

return _M
