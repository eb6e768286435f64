-- From the snapshot document to what the steps read: checked once, when it arrives, not a request.

local limit_rules = require "gateway.limit_rules"
local queue_view = require "gateway.queue.view"
local risk_rules = require "gateway.risk_rules"
local sources = require "gateway.sources"
local switches = require "gateway.switches"
local ticket = require "gateway.queue.ticket"
local token = require "gateway.token"

local _M = {}

local STATES = { approved = true, live = true, ended = true }
local SOURCES = { primary = true, standby = true, database = true }
local SHARDS_MAX = 64 -- campaigns.Item.shards
local EPOCH_MAX = 2 ^ 53 -- what Lua counts exactly
local LEASE_MAX_MS = 60000

local function need(condition, what)
  if not condition then
    error("snapshot: " .. what, 0)
  end
end

--- The hash tag of one shard in one epoch (lua/README.md).
function _M.tag(item_id, shard, epoch)
  return string.format("{i%d:s%02d:e%d}", item_id, shard, epoch)
end

local function whole(value, min, max)
  return type(value) == "number" and value % 1 == 0 and value >= min and value <= max
end

local function is_shard(shard, count)
  if type(shard) ~= "table" or not SOURCES[shard.source] or type(shard.sha) ~= "string" then
    return false
  end
  local sha_is_right = #shard.sha == 40 or (shard.source == "database" and shard.sha == "")
  return sha_is_right and whole(shard.shard, 0, count - 1) and whole(shard.epoch, 1, EPOCH_MAX)
end

-- Only what sells from the source that the document names; whatever else it lists is as if not armed.
local function view_of_shards(item, source, lanes)
  local shards = {}
  for _, shard in ipairs(item.shards) do
    need(is_shard(shard, item.shard_count) and not shards[shard.shard], "shard of item " .. item.id)
    if shard.source == source then
      local tag = _M.tag(item.id, shard.shard, shard.epoch)
      shards[shard.shard] = {
        shard = shard.shard,
        epoch = shard.epoch,
        source = source,
        tag = tag,
        lane = sources.lane(lanes, item.id, shard, tag),
      }
    end
  end
  return shards
end

local function view_of_item(id, item, document, lanes, limits_of)
  need(tostring(item.id) == id, "item " .. id .. " has another id")
  need(STATES[item.state], "state of item " .. id)
  need(type(item.start_ms) == "number" and type(item.end_ms) == "number", "times of item " .. id)
  need(type(item.path_key) == "string" and #item.path_key >= 16, "path_key of item " .. id)
  local before = item.path_key_before
  need(before == nil or (type(before) == "table" and type(before.key) == "string"
    and #before.key >= 16 and type(before.until_ms) == "number"), "path_key_before of item " .. id)
  need(whole(item.shard_count, 1, SHARDS_MAX) and type(item.shards) == "table",
    "shards of item " .. id)
  local view = {}
  for name, value in pairs(item) do
    view[name] = value
  end
  view.shards = view_of_shards(item, document.stock.source, lanes)
  view.switches = switches.of(document.switches, item.switches)
  view.limits = limits_of(view.switches.rate_limits)
  view.is_followed = view.switches.trace_sampling > 0 -- gateway/trace.lua; which ones, the edge decides
  view.queue = queue_view.build(item.id, item.queue)
  return view
end

-- Which share of the console's visitors gets the green control plane; a document without it has none.
local function console_share(document)
  local percent = document.switches.console_canary_percent or 0
  need(type(percent) == "number" and percent >= 0 and percent <= 100, "console_canary_percent")
  return percent
end

--- document: the decoded snapshot. Returns the view; raises a string when anything is malformed, so that a
-- bad snapshot is refused whole and the last good one stays.
function _M.build(document)
  need(type(document.items) == "table" and type(document.campaigns) == "table"
    and type(document.entry_keys) == "table" and type(document.switches) == "table",
    "a section is missing")
  need(type(document.version) == "number", "version")
  local stock = document.stock
  need(type(stock) == "table" and SOURCES[stock.source] and whole(stock.generation, 0, EPOCH_MAX)
    and whole(stock.lease_ms, 1, LEASE_MAX_MS), "stock")
  local items, lanes, limits_of = {}, {}, limit_rules.compile(document.rate_limits)
  for id, item in pairs(document.items) do
    items[id] = view_of_item(id, item, document, lanes, limits_of)
  end
  return {
    version = document.version,
    console_canary_percent = console_share(document),
    items = items,
    lanes = lanes,
    stock = stock,
    campaigns = document.campaigns,
    risk = risk_rules.compile(document.risk_rules),
    entry_keys = token.shared_key_set(document.entry_keys),
    -- Tickets outlive the keys of entry tokens.
    ticket_keys = ticket.key_set(document.ticket_keys or document.entry_keys),
  }
end

return _M
