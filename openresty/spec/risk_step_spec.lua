-- gateway.steps.risk: what a rule's action means to the shopper, and that a fault lets nobody pass.

local bans = require "gateway.bans"
local metrics = require "gateway.metrics"
local network = require "gateway.network"
local risk = require "gateway.risk"
local risk_rules = require "gateway.risk_rules"
local step = require "gateway.steps.risk"
local velocity = require "gateway.velocity"

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

-- Each kind of rule, and what of ann's it meets.
local KINDS = {
  { kind = "cidr", cidr = "192.0.2.0/24" },
  { kind = "device", value = "device-1" },
  { kind = "shopper", value = "ann" },
  { kind = "user_agent", value = "curly" },
  { kind = "score", min_score = 40 },
  { kind = "velocity", of = "device", distinct = "shopper", more_than = 1, within_s = 60 },
}
local NOW_S = 1795348800

describe("a challenge", function()
  before_each(function()
    stub(velocity, "count", function() return 2 end)
    ngx.now = function() return NOW_S end
    ngx.var = { http_user_agent = "Mozilla (CurlyBot)" }
  end)

  after_each(function()
    velocity.count:revert()
    ngx.var = {}
  end)

  -- By these rules of one kind, one for each action, with the claim pz and these switches.
  local function judge(fields, actions, puzzle_until_s, switches)
    local rules = {}
    for place, action in ipairs(actions) do
      rules[place] = { id = place, mode = "enforce", action = action }
      for name, value in pairs(fields) do
        rules[place][name] = value
      end
    end
    local req = request("ann", nil, switches)
    req.address, req.site = network.parse("192.0.2.7"), "site"
    req.claims.rs, req.claims.pz = 40, puzzle_until_s
    req.view = { risk = risk_rules.compile(rules) }
    return step(req)
  end

  for _, fields in ipairs(KINDS) do
    local of = " by " .. fields.kind

    it("is met without a puzzle, and says that one is wanted" .. of, function()
      local code, detail = judge(fields, { "challenge" })
      assert.equal("challenge", code)
      assert.equal("puzzle", detail)
    end)

    it("is satisfied by who has passed one, to the second when it ceases to count" .. of, function()
      assert.is_nil(judge(fields, { "challenge" }, NOW_S + 1))
      assert.equal("challenge", (judge(fields, { "challenge" }, NOW_S)))
      assert.stub(metrics.count).was.called_with("risk", "1|challenge|passed")
    end)

    it("is all that a puzzle satisfies: the rules behind it decide" .. of, function()
      assert.equal("denied", (judge(fields, { "deny" }, NOW_S + 1)))
      assert.equal("denied", (judge(fields, { "challenge", "deny" }, NOW_S + 1)))
      assert.equal("challenge", (judge(fields, { "challenge", "deny" })))
      ngx.now = function() return NOW_S + 1 end -- a second in which ann is slowed down
      local slowed = judge(fields, { "slow" }, NOW_S + 9)
      assert.equal(slowed, (judge(fields, { "challenge", "slow" }, NOW_S + 9)))
      assert.equal("busy", slowed)
    end)

    it("is not asked for where the check is off, and shields from nothing" .. of, function()
      local off = { human_check = false }
      assert.is_nil(judge(fields, { "challenge" }, nil, off))
      assert.equal("denied", (judge(fields, { "challenge", "deny" }, nil, off)))
    end)
  end
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
