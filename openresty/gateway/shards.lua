-- Which shard is a shopper's home (DESIGN §5): crc32(shopper) mod the number of shards. He never hops.

local ngx = ngx

local _M = {}

--- item: of the snapshot view. Returns the shard {shard, epoch, lane}, or nil while it is not armed.
function _M.home(item, shopper)
  local count = item.shard_count
  if count == 1 then
    return item.shards[0]
  end
  return count > 0 and item.shards[ngx.crc32_short(shopper) % count] or nil
end

return _M
