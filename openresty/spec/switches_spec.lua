-- gateway.switches and gateway.limit_rules: what of the snapshot is in force for an item.

local limit_rules = require "gateway.limit_rules"
local switches = require "gateway.switches"

it("takes the item's own switch, then the general one, then what is usual", function()
  local own = { rate_limits = 0, risk_mode = "off" }
  local general = { rate_limits = 2, queue_mode = "fifo", sale_enabled = true }
  assert.same({
    sale_enabled = true, queue_mode = "fifo", risk_mode = "off", human_check = true, rate_limits = 0,
    trace_sampling = 0,
  }, switches.of(general, own))
end)

it("does not sell when no section says that it may", function()
  assert.is_false(switches.of({}, nil).sale_enabled)
  assert.is_false(switches.of({ sale_enabled = true }, { sale_enabled = false }).sale_enabled)
end)

for name, value in pairs({
  sale_enabled = 1, queue_mode = "draw", risk_mode = true, human_check = "yes", rate_limits = 101,
  trace_sampling = -1,
}) do
  it("refuses a snapshot whose " .. name .. " cannot be", function()
    assert.has_error(function() switches.of({ [name] = value }, nil) end)
    assert.has_error(function() switches.of({}, { [name] = value }) end)
  end)
end

local function rule(by, level, per_s, burst)
  return { by = by, level = level, per_s = per_s, burst = burst }
end

it("has an address, a device and a shopper at three a second when nothing is said", function()
  local everybody = limit_rules.compile(nil)(1)[""]
  for _, by in ipairs({ "address", "device", "shopper" }) do
    assert.equal(333, math.floor(everybody[by].step_ms))
    assert.equal(1000, math.floor(everybody[by].span_ms))
  end
  assert.is_nil(everybody.level)
end)

it("lets a level differ in what is named for it, and in nothing else", function()
  local plan = limit_rules.compile({
    rule("address", "", 2, 4), rule("shopper", "", 1, 1), rule("shopper", "vip", 10, 5),
  })(1)
  assert.same({ step_ms = 100, span_ms = 500 }, plan.vip.shopper)
  assert.same({ step_ms = 500, span_ms = 2000 }, plan.vip.address)
  assert.same({ step_ms = 1000, span_ms = 1000 }, plan[""].shopper)
end)

it("takes the slower of two rules for the same, in any order", function()
  for _, rules in ipairs({
    { rule("shopper", "", 1, 1), rule("shopper", "", 5, 1) },
    { rule("shopper", "", 5, 1), rule("shopper", "", 1, 1) },
  }) do
    assert.equal(1000, limit_rules.compile(rules)(1)[""].shopper.step_ms)
  end
end)

it("scales the rate and keeps the burst; 0 is no limit at all", function()
  local plan_of = limit_rules.compile({ rule("shopper", "", 1, 3) })
  assert.same({ step_ms = 500, span_ms = 1500 }, plan_of(2)[""].shopper)
  assert.is_nil(plan_of(0))
end)

for what, wrong in pairs({
  ["no rate"] = rule("shopper", "", 0, 1),
  ["a fractional burst"] = rule("shopper", "", 1, 1.5),
  ["an unknown dimension"] = rule("colour", "", 1, 1),
  ["no level"] = rule("shopper", nil, 1, 1),
}) do
  it("refuses a rule with " .. what, function()
    assert.has_error(function() limit_rules.compile({ wrong }) end)
  end)
end
