-- Whether a shopper who says that he asks again (header Purchase-Retry) has a reservation already.
--
-- One whose answer was lost must get through to the script, which repeats it, whatever his ticket says.
-- The header alone opens nothing: with it a robot could pass the queue the moment a unit comes back.

local reservation = require "gateway.reservation"
local reservation_id = require "gateway.reservation_id"
local shards = require "gateway.shards"
local sources = require "gateway.sources"

local ngx = ngx

local _M = {}

--- Whether he says that he asks again.
function _M.says_so()
  return ngx.var.http_purchase_retry ~= nil
end

--- Returns true, false, or nil when nobody can say now. False at once, and for nothing, without the header.
function _M.is_known(req)
  if not _M.says_so() then
    return false
  end
  local shopper = req.claims.sub
  local shard = shards.home(req.item, shopper)
  if not shard then
    return nil
  elseif shard.source == "database" then
    -- There is no hash to look into, but this very purchase has one name whenever it is asked for.
    local id = reservation_id.make(req.item.id, shard.shard, shopper, req.idempotency_key)
    local qty = reservation.in_database(shopper, id)
    return qty and true or qty
  end
  local cluster = sources.cluster(shard.source)
  local known = cluster and cluster:hget(shard.tag .. ":buyers", shopper)
  if known == nil or cluster == nil then
    return nil
  end
  return known ~= false
end

return _M
