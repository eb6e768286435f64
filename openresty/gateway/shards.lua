-- Which shard is a shopper's home (DESIGN §5): crc32(shopper) mod the number of shards. He never hops.

local ngx = ngx

local _M = {}

--- item: of the snapshot view. shard_count is fixed for the item's life; which of them sell now changes,
-- and a shopper whose home does not is not sent to another. Returns the shard {shard, epoch, source, tag,
-- lane}, or nil while it is not armed.
function _M.home(item, shopper)
  local count = item.shard_count
  return item.shards[count == 1 and 0 or ngx.crc32_short(shopper) % count]
end

return _M
