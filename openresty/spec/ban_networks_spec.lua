-- gateway.ban_networks: a list with an end, of which every worker makes its own tables.

local network = require "gateway.network"

local ban_networks, shared

-- As a worker that has just started: what is shared stays.
local function start()
  package.loaded["gateway.ban_networks"] = nil
  ban_networks = require "gateway.ban_networks"
end

local function name_of(number)
  return string.format("10.%d.%d.0/23", math.floor(number / 100), number % 100 * 2)
end

local function has(text)
  ban_networks.look()
  return ban_networks.has(network.parse(text))
end

before_each(function()
  shared = {}
  ngx.now = function() return 1000 end
  ngx.shared = ngx.shared or {}
  ngx.shared.sluice_bans_network = {
    get = function(_, key) return shared[key] end,
    set = function(_, key, value) shared[key] = value end,
    incr = function(_, key, by, from) shared[key] = (shared[key] or from) + by end,
  }
  start()
end)

after_each(function()
  ngx.shared.sluice_bans_network = nil
  ngx.now = function() return 0 end
end)

it("has nothing before anything was set", function()
  assert.is_false(ban_networks.look())
  assert.is_false(ban_networks.has("\1\2\3\4"))
end)

it("takes no more than it has room for, until one of them is over or lifted", function()
  for number = 1, ban_networks.LISTED_MAX do
    assert.is_true(ban_networks.set(name_of(number), number == 1 and 1001 or 2000))
  end
  assert.is_false(ban_networks.set("192.0.2.0/25", 2000))
  assert.is_true(ban_networks.set(name_of(7), 3000), "one that it has is changed")
  assert.is_true(ban_networks.set(name_of(8), 0))
  assert.is_true(ban_networks.set("192.0.2.0/25", 2000))
  assert.is_false(ban_networks.set("192.0.2.128/25", 2000))
  ngx.now = function() return 1001 end
  assert.is_true(ban_networks.set("192.0.2.128/25", 2000))
end)

it("shows what was set when it is published, and forgets what is over", function()
  ban_networks.set("10.0.0.0/8", 1010)
  assert.is_false(has("10.9.9.9"))
  ban_networks.publish()
  assert.is_true(has("10.9.9.9"))
  assert.is_false(has("11.0.0.0"))
  assert.is_true(ban_networks.look())
  ngx.now = function() return 1010 end
  assert.is_false(has("10.9.9.9"))
  assert.is_false(ban_networks.look())
end)

it("keeps what the worker before it has written", function()
  ban_networks.set("10.0.0.0/8", 2000)
  ban_networks.publish()
  start()
  ban_networks.set("2001:db8::/32", 2000)
  ban_networks.publish()
  assert.is_true(has("10.1.1.1"))
  assert.is_true(has("2001:db8:1::"))
  ban_networks.set("10.0.0.0/8", 0)
  ban_networks.publish()
  assert.is_false(has("10.1.1.1"))
end)

it("makes its tables anew only when something has changed", function()
  ban_networks.set("10.0.0.0/8", 2000)
  ban_networks.publish()
  ban_networks.look()
  stub(network, "parse_network")
  ban_networks.set("10.0.0.0/8", 2000)
  ban_networks.publish()
  ban_networks.look()
  assert.stub(network.parse_network).was.called(0)
  network.parse_network:revert()
end)
