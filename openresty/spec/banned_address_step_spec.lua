-- gateway.steps.banned_address: what it refuses, and that it asks for nothing while nobody is banned.

local bans = require "gateway.bans"
local metrics = require "gateway.metrics"
local step = require "gateway.steps.banned_address"

local function request(risk_mode)
  return { item = { switches = { risk_mode = risk_mode } } }
end

local function banned(what)
  stub(bans, "has_addresses", function() return true end)
  stub(bans, "of_address", function() return what end)
end

before_each(function()
  stub(metrics, "count")
  ngx.var = { binary_remote_addr = "\127\0\0\1" }
end)

after_each(function()
  metrics.count:revert()
  for _, name in ipairs({ "has_addresses", "of_address" }) do
    if type(bans[name]) == "table" then
      bans[name]:revert()
    end
  end
end)

it("reads nothing while no address is banned", function()
  ngx.var = nil
  assert.is_nil(step({}))
end)

it("denies a banned address, and only watches or looks away as told", function()
  banned("network")
  assert.equal("denied", step(request("enforce")))
  assert.stub(metrics.count).was.called_with("bans_met", "network|enforce")
  assert.is_nil(step(request("shadow")))
  assert.stub(metrics.count).was.called_with("bans_met", "network|shadow")
  assert.is_nil(step(request("off")))
  assert.stub(metrics.count).was.called(2)
end)

it("lets the others on", function()
  banned(nil)
  assert.is_nil(step(request("enforce")))
  assert.stub(metrics.count).was.called(0)
end)
