-- gateway.steps.risk: what a rule's action means to the shopper, and that a fault lets nobody pass.

local bans = require "gateway.bans"
local metrics = require "gateway.metrics"
local risk = require "gateway.risk"
local step = require "gateway.steps.risk"

before_each(function()
  stub(metrics, "count")
  stub(bans, "of_visitor")
end)

after_each(function()
  metrics.count:revert()
  bans.of_visitor:revert()
  if type(risk.decide) == "table" then
    risk.decide:revert()
  end
  ngx.now = function() return 0 end
end)

local function request(shopper, queue, switches)
  local all = { risk_mode = "enforce", human_check = true, queue_mode = "configured" }
  for name, value in pairs(switches or {}) do
    all[name] = value
  end
  return {
    address = "\127\0\0\1",
    claims = { sub = shopper or "ann", dev = "device-1", rs = 0 },
    item = { id = 7, queue = queue, switches = all },
    view = { risk = { has_rules = true } },
  }
end

local function matching(action)
  stub(risk, "decide", function() return { id = "1", action = action } end)
end

it("refuses everybody, with a wait, when a rule throws", function()
  stub(risk, "decide", function() error("a fault") end)
  local code, _, wait_ms = step(request())
  assert.equal("busy", code)
  assert.is_true(wait_ms > 0)
end)

it("puts who is slowed down into the slow bucket of a queue", function()
  matching("slow")
  local req = request("ann", { mode = "draw" })
  assert.is_nil(step(req))
  assert.equal("slow", req.bucket)
end)

for what, req in pairs({
  ["is none"] = request("ann"),
  ["is null"] = request("ann", ngx.null),
  ["is off"] = request("ann", { mode = "off" }),
  ["is switched off"] = request("ann", { mode = "fifo" }, { queue_mode = "off" }),
}) do
  it("lets one second in four through when the queue " .. what, function()
    matching("slow")
    local through = 0
    for second = 0, 399 do
      ngx.now = function() return second end
      through = through + (step(req) and 0 or 1)
    end
    assert.equal(100, through)
    assert.is_nil(req.bucket)
  end)
end

it("asks for no check that cannot be passed", function()
  matching("challenge")
  assert.equal("challenge", step(request()))
  assert.is_nil(step(request("ann", nil, { human_check = false })))
end)

it("denies who is banned before any rule can allow it, and watches or looks away as told", function()
  matching("allow")
  bans.of_visitor:revert()
  stub(bans, "of_visitor", function() return "device" end)
  assert.equal("denied", step(request()))
  assert.is_nil(step(request("ann", nil, { risk_mode = "shadow" })))
  assert.is_nil(step(request("ann", nil, { risk_mode = "off" })))
  assert.stub(bans.of_visitor).was.called(2)
end)
