-- From the snapshot document to what the steps read: checked once, when it arrives, not a request.

local batch = require "gateway.batch"
local token = require "gateway.token"

local _M = {}

local STATES = { approved = true, live = true, ended = true }

local function need(condition, what)
  if not condition then
    error("snapshot: " .. what, 0)
  end
end

--- The hash tag of one shard in one epoch (lua/README.md).
function _M.tag(item_id, shard, epoch)
  return string.format("{i%d:s%02d:e%d}", item_id, shard, epoch)
end

local function view_of_shards(item)
  local shards, count = {}, 0
  for _, shard in ipairs(item.shards) do
    need(type(shard.shard) == "number" and type(shard.epoch) == "number"
      and type(shard.sha) == "string" and #shard.sha == 40, "shard of item " .. item.id)
    local tag = _M.tag(item.id, shard.shard, shard.epoch)
    shards[shard.shard] = {
      shard = shard.shard,
      epoch = shard.epoch,
      tag = tag,
      lane = batch.lane(tag, shard.sha),
    }
    count = count + 1
  end
  return shards, count
end

local function view_of_item(id, item)
  need(tostring(item.id) == id, "item " .. id .. " has another id")
  need(STATES[item.state], "state of item " .. id)
  need(type(item.start_ms) == "number" and type(item.end_ms) == "number", "times of item " .. id)
  need(type(item.path_key) == "string" and #item.path_key >= 16, "path_key of item " .. id)
  local view = {}
  for name, value in pairs(item) do
    view[name] = value
  end
  view.shards, view.shard_count = view_of_shards(item)
  return view
end

--- document: the decoded snapshot. Returns the view; raises a string when anything is malformed, so that a
-- bad snapshot is refused whole and the last good one stays.
function _M.build(document)
  need(type(document.items) == "table" and type(document.campaigns) == "table"
    and type(document.entry_keys) == "table" and type(document.switches) == "table",
    "a section is missing")
  need(type(document.version) == "number", "version")
  local items = {}
  for id, item in pairs(document.items) do
    items[id] = view_of_item(id, item)
  end
  return {
    version = document.version,
    items = items,
    campaigns = document.campaigns,
    switches = document.switches,
    entry_keys = token.key_set(document.entry_keys),
  }
end

return _M
