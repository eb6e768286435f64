-- Where units may be sold from (DESIGN §5): two stock clusters, of which the second may be missing, and the
-- database. Only the snapshot says which one sells now.

local batch = require "gateway.batch"
local database_lane = require "gateway.database_lane"
local redis_cluster = require "gateway.redis_cluster"
local redis_lane = require "gateway.redis_lane"

local ngx = ngx

local _M = {}

local config
local clusters = {}
local current = {} -- name → lane, of the view that this worker runs

--- gateway_config: gateway.config's table. Called once in each worker; begins to read the slot maps, so
-- that the first shopper need not wait for them.
function _M.configure(gateway_config)
  config = gateway_config
  local seeds = { primary = config.stock_redis, standby = config.stock_standby_redis }
  for name, addresses in pairs(seeds) do
    local cluster = redis_cluster.new(name, addresses, config.stock_redis_user,
      config.stock_redis_password, config.reserve_timeout_ms)
    clusters[name] = cluster
    cluster:refresh()
  end
end

--- The cluster of a Redis source, or nil: not configured here, or not a Redis.
function _M.cluster(source)
  return clusters[source]
end

local function new_lane(item, shard, tag)
  if shard.source == "database" then
    return database_lane.new(config, item, shard.shard, shard.epoch)
  end
  local cluster = clusters[shard.source]
  if not cluster then
    ngx.log(ngx.ERR, "no address is known of the stock source ", shard.source)
    return nil
  end
  cluster:refresh() -- a new epoch often means that an owner was replaced
  return redis_lane.new(cluster, tag, shard.sha, config.batch_max)
end

--- The lane to one shard of an item, nil when this gateway cannot reach its source. shard: as the snapshot
-- has it; lanes: where the view that is being built collects its own. A lane outlives the snapshot, so that
-- a change of something else does not cut batches in two.
function _M.lane(lanes, item, shard, tag)
  local name = shard.source .. " " .. tag .. " " .. shard.sha
  lanes[name] = current[name] or new_lane(item, shard, tag)
  return lanes[name]
end

--- From now on only these lanes lead anywhere.
function _M.retain(lanes)
  local former = current
  current = lanes
  for name, lane in pairs(former) do
    if lanes[name] ~= lane then
      batch.drop(lane)
    end
  end
end

return _M
