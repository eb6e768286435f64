-- gateway.rate_limit: GCRA to the millisecond, and what it does when workers meet.

local limit_rules = require "gateway.limit_rules"
local shared_dict = require "spec.support.shared_dict"

local DIMENSIONS = { "address", "device", "shopper", "level" }
local TICKET_RATE = { step_ms = 300, span_ms = 900 }
local NOW_MS = 1764103735123
local STEP_MS, BURST = 250, 3

local rate_limit, now_ms

before_each(function()
  for _, name in ipairs(DIMENSIONS) do
    ngx.shared["sluice_limits_" .. name] = shared_dict()
  end
  ngx.shared.sluice_limits_ticket = shared_dict()
  package.loaded["gateway.rate_limit"] = nil
  rate_limit = require "gateway.rate_limit"
  now_ms = NOW_MS
end)

local function limits(...)
  local rules = {}
  for _, by in ipairs({ ... }) do
    rules[#rules + 1] = { by = by, level = "", per_s = 1000 / STEP_MS, burst = BURST }
  end
  return limit_rules.compile(rules)(1)[""]
end

local function visit(plan, shopper, device)
  return rate_limit.admit(plan, "\127\0\0\1", device or "device-1", shopper or "ann", "vip 7", now_ms)
end

local function tat(name, key)
  return ngx.shared["sluice_limits_" .. name]:get(key)
end

for _, by in ipairs(DIMENSIONS) do
  it("gives a " .. by .. " its burst, then one a step", function()
    local plan = limits(by)
    for _ = 1, BURST do
      assert.is_nil(visit(plan))
    end
    assert.equal(STEP_MS, visit(plan))
    now_ms = now_ms + 100
    assert.equal(STEP_MS - 100, visit(plan))
    now_ms = now_ms + STEP_MS - 100
    assert.is_nil(visit(plan))
    assert.equal(STEP_MS, visit(plan))
  end)
end

it("admits exactly the rate over a long time, however often somebody asks", function()
  local plan, admitted = limits("shopper"), 0
  for _ = 0, 10000 do -- 100 s, a hundred a second
    admitted = admitted + (visit(plan) and 0 or 1)
    now_ms = now_ms + 10
  end
  assert.equal(100 * 1000 / STEP_MS + BURST, admitted)
end)

it("is full again after the burst's time, and never fuller", function()
  local plan = limits("shopper")
  for _, pause_ms in ipairs({ STEP_MS * BURST, 9000, 3600000 }) do
    for _ = 1, BURST do
      assert.is_nil(visit(plan))
    end
    assert.is_number(visit(plan))
    now_ms = now_ms + pause_ms
  end
end)

it("keeps nothing in the dictionary for who comes once", function()
  assert.is_nil(visit(limits("address", "device", "shopper"), "once"))
  assert.is_nil(tat("shopper", "once"))
end)

it("remembers a first visit when the bucket needs longer than usual to fill", function()
  local rules = { { by = "shopper", level = "", per_s = 1 / 60, burst = 1 } }
  local plan = limit_rules.compile(rules)(1)[""]
  assert.is_nil(visit(plan))
  now_ms = now_ms + 59000
  assert.equal(1000, math.floor(visit(plan)))
end)

it("knows who is here again after the marks' time has come round", function()
  local slow = limit_rules.compile({ { by = "shopper", level = "", per_s = 1 / 60, burst = 1 } })(1)[""]
  for _ = 1, 3 do
    assert.is_nil(visit(slow))
    now_ms = now_ms + 2 ^ 20 -- as long as a mark can tell
  end
  local fast, admitted = limits("device"), 0
  assert.is_nil(visit(fast))
  now_ms = now_ms + 2 ^ 20
  while not visit(fast) do
    admitted = admitted + 1
  end
  assert.equal(BURST - 1, admitted) -- stricter by one, never more
end)

it("charges nobody for a refusal by another limit", function()
  local plan = limits("address", "device", "shopper", "level")
  plan.level = { step_ms = 1e6, span_ms = 2e6 }
  assert.is_nil(visit(plan))
  assert.is_nil(visit(plan))
  local before = { tat("address", "\127\0\0\1"), tat("device", "device-1"), tat("shopper", "ann") }
  for _ = 1, 5 do
    assert.is_number(visit(plan))
  end
  assert.same(before,
    { tat("address", "\127\0\0\1"), tat("device", "device-1"), tat("shopper", "ann") })
end)

describe("two workers", function()
  -- Another worker does the same just before the nth incr of this one.
  local function meet(at, plan)
    local dict, count = ngx.shared.sluice_limits_shopper, 0
    local others = 0
    dict.on_incr = function()
      count = count + 1
      if count == at then
        dict.on_incr = nil
        others = visit(plan) and 0 or 1
      end
    end
    local mine = visit(plan)
    dict.on_incr = nil
    return (mine and 0 or 1) + others
  end

  for at = 1, 2 do
    it("that meet at a bucket never admit more, nor lock it, before step " .. at, function()
      local plan = limits("shopper")
      visit(plan)
      visit(plan)
      now_ms = now_ms + 8000 -- full for long, and still known
      local admitted = meet(at, plan)
      while not visit(plan) do
        admitted = admitted + 1
      end
      assert.is_true(admitted <= BURST, admitted .. " admitted")
      assert.is_true(tat("shopper", "ann") <= now_ms + (BURST + 2) * STEP_MS,
        "locked for " .. tat("shopper", "ann") - now_ms .. " ms")
    end)
  end
end)

it("admits a ticket as often as one is told to show it, and that is no purchase", function()
  local plan = limits("shopper")
  for _ = 1, 100 do
    assert.is_nil(rate_limit.admit_ticket("ann", TICKET_RATE, now_ms))
    now_ms = now_ms + 300
  end
  for _ = 1, 3 do
    assert.is_nil(rate_limit.admit_ticket("ann", TICKET_RATE, now_ms))
  end
  assert.equal(300, rate_limit.admit_ticket("ann", TICKET_RATE, now_ms))
  for _ = 1, BURST do
    assert.is_nil(visit(plan))
  end
  assert.equal(STEP_MS, visit(plan))
end)

it("reports what was admitted of those who came again, once", function()
  local plan = limits("shopper")
  visit(plan, "once")
  for _ = 1, 5 do
    visit(plan, "often")
  end
  assert.same({ often = 2 * STEP_MS }, rate_limit.take("shopper"))
  assert.is_nil(rate_limit.take("shopper"))
  assert.equal(3 * STEP_MS, rate_limit.ahead_ms("shopper", "often", now_ms))
end)

it("catches up with what others admitted, with its own on top, and never falls back", function()
  local plan = limits("shopper")
  visit(plan)
  visit(plan) -- not reported yet: one step
  rate_limit.catch_up("shopper", "ann", 600, now_ms)
  assert.equal(600 + STEP_MS, rate_limit.ahead_ms("shopper", "ann", now_ms))
  rate_limit.catch_up("shopper", "ann", 10, now_ms)
  assert.equal(600 + STEP_MS, rate_limit.ahead_ms("shopper", "ann", now_ms))
  assert.equal(600 + 2 * STEP_MS - BURST * STEP_MS, visit(plan))
end)
