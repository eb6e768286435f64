-- gateway.snapshot_view: a snapshot is taken whole or not at all.

local sources = require "gateway.sources"
local view_builder = require "gateway.snapshot_view"

local SHA = string.rep("a", 40)

local function document()
  return {
    version = 12,
    built_at_ms = 1,
    campaigns = { spring = { slug = "spring", items = { 7 } } },
    items = {
      ["7"] = {
        id = 7, campaign = "spring", state = "live", start_ms = 1, end_ms = 2, limit = 1,
        path_key = string.rep("p", 22),
        shard_count = 3,
        shards = {
          { shard = 0, epoch = 3, sha = SHA, source = "primary" },
          { shard = 1, epoch = 1, sha = SHA, source = "primary" },
        },
      },
    },
    entry_keys = { { kid = "e-1", secret = string.rep("A", 43), sign = true } },
    switches = { sale_enabled = true },
    stock = { source = "primary", generation = 4, lease_ms = 2000 },
  }
end

-- Lanes need a real nginx; here a lane is what it was asked for.
before_each(function()
  stub(sources, "lane", function(lanes, item, shard, tag)
    lanes[tag] = { item = item, source = shard.source, sha = shard.sha }
    return lanes[tag]
  end)
end)

after_each(function()
  sources.lane:revert()
end)

local function rounded(rate)
  return { step_ms = math.floor(rate.step_ms * 3) / 3, span_ms = math.floor(rate.span_ms) }
end

it("gives the steps what they read", function()
  local view = view_builder.build(document())
  assert.equal(12, view.version)
  assert.is_function(view.entry_keys.by_kid["e-1"])
  local item = view.items["7"]
  assert.equal(7, item.id)
  assert.is_true(item.switches.sale_enabled)
  assert.same({ step_ms = 1000 / 3, span_ms = 1000 }, rounded(item.limits[""].address))
  assert.equal(3, item.shard_count)
  assert.equal("primary", item.shards[0].source)
  assert.is_nil(item.shards[2])
  assert.equal("{i7:s00:e3}", item.shards[0].tag)
  assert.equal("{i7:s01:e1}", item.shards[1].tag)
  assert.same({ item = 7, source = "primary", sha = SHA }, item.shards[1].lane)
  assert.equal(view.lanes["{i7:s01:e1}"], item.shards[1].lane)
  assert.same({ source = "primary", generation = 4, lease_ms = 2000 }, view.stock)
end)

it("knows the share of the green control plane, which is none where nobody has named it", function()
  assert.equal(0, view_builder.build(document()).console_canary_percent)
  local named = document()
  named.switches.console_canary_percent = 12.5
  assert.equal(12.5, view_builder.build(named).console_canary_percent)
end)

it("sells from the source that the document names, and from no other", function()
  local switched = document()
  switched.stock.source = "database"
  switched.items["7"].shards[2] = { shard = 1, epoch = 2, sha = "", source = "database" }
  local view = view_builder.build(switched)
  assert.is_nil(view.items["7"].shards[0])
  assert.equal("database", view.items["7"].shards[1].lane.source)
  assert.is_nil(view.lanes["{i7:s00:e3}"])
end)

it("names shards as lua/README.md does", function()
  assert.equal("{i7:s03:e12}", view_builder.tag(7, 3, 12))
  assert.equal("{i7:s10:e1}", view_builder.tag(7, 10, 1))
end)

it("takes an item that is not armed yet", function()
  local early = document()
  early.items["7"].shards = {}
  assert.same({}, view_builder.build(early).items["7"].shards)
end)

it("leaves the document as it was", function()
  local given = document()
  view_builder.build(given)
  assert.same(document(), given)
end)

local FAULTS = {
  ["no items"] = function(d) d.items = nil end,
  ["no campaigns"] = function(d) d.campaigns = nil end,
  ["no keys"] = function(d) d.entry_keys = nil end,
  ["no switches"] = function(d) d.switches = nil end,
  ["a share of green above all"] = function(d) d.switches.console_canary_percent = 101 end,
  ["a share of green that is no number"] = function(d) d.switches.console_canary_percent = "5" end,
  ["no version"] = function(d) d.version = nil end,
  ["a version in words"] = function(d) d.version = "twelve" end,
  ["an item under another id"] = function(d) d.items["8"] = d.items["7"] end,
  ["an item without an id"] = function(d) d.items["7"].id = nil end,
  ["a draft"] = function(d) d.items["7"].state = "draft" end,
  ["an item without state"] = function(d) d.items["7"].state = nil end,
  ["no start"] = function(d) d.items["7"].start_ms = nil end,
  ["an end in words"] = function(d) d.items["7"].end_ms = "soon" end,
  ["no path_key"] = function(d) d.items["7"].path_key = nil end,
  ["a path_key that can be guessed"] = function(d) d.items["7"].path_key = "short" end,
  ["no list of shards"] = function(d) d.items["7"].shards = nil end,
  ["a shard without epoch"] = function(d) d.items["7"].shards[1].epoch = nil end,
  ["a shard without number"] = function(d) d.items["7"].shards[1].shard = nil end,
  ["a shard whose script has no SHA-1"] = function(d) d.items["7"].shards[2].sha = "abc" end,
  ["a shard of Redis without a script"] = function(d) d.items["7"].shards[2].sha = "" end,
  ["a shard in words"] = function(d) d.items["7"].shards[1] = "s00" end,
  ["a shard twice"] = function(d) d.items["7"].shards[2].shard = 0 end,
  ["more shards than it has"] = function(d) d.items["7"].shards[2].shard = 3 end,
  ["half a shard"] = function(d) d.items["7"].shards[2].shard = 0.5 end,
  ["an epoch before the first"] = function(d) d.items["7"].shards[2].epoch = 0 end,
  ["a shard without source"] = function(d) d.items["7"].shards[2].source = nil end,
  ["a shard of an unknown source"] = function(d) d.items["7"].shards[2].source = "paper" end,
  ["an item that does not say how many shards it has"] = function(d) d.items["7"].shard_count = nil end,
  ["an item of no shards"] = function(d) d.items["7"].shard_count = 0 end,
  ["an item of too many shards"] = function(d) d.items["7"].shard_count = 65 end,
  ["an item of half a shard"] = function(d) d.items["7"].shard_count = 2.5 end,
  ["no stock source"] = function(d) d.stock = nil end,
  ["an unknown stock source"] = function(d) d.stock.source = "paper" end,
  ["no generation"] = function(d) d.stock.generation = nil end,
  ["no lease"] = function(d) d.stock.lease_ms = nil end,
  ["a lease in words"] = function(d) d.stock.lease_ms = "2 s" end,
  ["a lease without end"] = function(d) d.stock.lease_ms = math.huge end,
  ["a key that is too short"] = function(d) d.entry_keys[1].secret = "AAAA" end,
  ["a key without kid"] = function(d) d.entry_keys[1].kid = nil end,
}
for name, spoil in pairs(FAULTS) do
  it("refuses a snapshot with " .. name, function()
    local spoilt = document()
    spoil(spoilt)
    local ok, fault = pcall(view_builder.build, spoilt)
    assert.is_false(ok)
    assert.is_not_nil(fault)
  end)
end
