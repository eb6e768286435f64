-- gateway.risk and gateway.risk_rules: which rule decides, and which are only counted.

local metrics = require "gateway.metrics"
local network = require "gateway.network"
local risk = require "gateway.risk"
local risk_rules = require "gateway.risk_rules"
local velocity = require "gateway.velocity"

local NOW_MS = 1764103735123

local counted

before_each(function()
  counted = {}
  stub(metrics, "count", function(_, label) counted[#counted + 1] = label end)
end)

after_each(function()
  metrics.count:revert()
  ngx.var = {}
end)

local function rule(id, kind, more)
  local made = { id = id, kind = kind, mode = "enforce", action = "deny" }
  for name, value in pairs(more) do
    made[name] = value
  end
  return made
end

local function decide(rules, changes, mode)
  local facts = {
    address = network.parse("203.0.113.7"), site = "site", device = "device-1", shopper = "ann",
    score = 40, item = 7,
    now_ms = NOW_MS,
  }
  for name, value in pairs(changes or {}) do
    facts[name] = value
  end
  local best = risk.decide(risk_rules.compile(rules), mode or "enforce", facts)
  return best and best.id
end

for what, case in pairs({
  ["its network"] = { rule(1, "cidr", { cidr = "203.0.113.0/24" }),
    { address = network.parse("203.0.114.7") } },
  ["its IPv6 network"] = { rule(1, "cidr", { cidr = "2001:db8::/33" }),
    { address = network.parse("2001:db8:8000::1") }, { address = network.parse("2001:db8:7fff::1") } },
  ["an address in a network that ends within a byte"] = { rule(1, "cidr", { cidr = "203.0.113.4/30" }),
    { address = network.parse("203.0.113.8") } },
  ["its device"] = { rule(1, "device", { value = "device-1" }), { device = "device-2" } },
  ["its shopper"] = { rule(1, "shopper", { value = "ann" }), { shopper = "anna" } },
  ["its score"] = { rule(1, "score", { min_score = 40 }), { score = 39 } },
  ["its item"] = { rule(1, "shopper", { value = "ann", item = 7 }), { item = 8 } },
  ["its time"] = { rule(1, "shopper", { value = "ann", until_ms = NOW_MS + 1 }), { now_ms = NOW_MS + 1 } },
}) do
  it("matches " .. what .. " and nothing beside it", function()
    assert.equal("1", decide({ case[1] }, case[3]))
    assert.is_nil(decide({ case[1] }, case[2]))
  end)
end

it("finds a part of the user agent in any case", function()
  local rules = { rule(1, "user_agent", { value = "Bot/2" }) }
  ngx.var = { http_user_agent = "Mozilla (SomeBOT/2.1)" }
  assert.equal("1", decide(rules))
  ngx.var = { http_user_agent = "Mozilla" }
  assert.is_nil(decide(rules))
  ngx.var = {}
  assert.is_nil(decide(rules))
end)

describe("a user agent that is met again", function()
  local function decide_by(plan, agent, changes)
    ngx.var = { http_user_agent = agent }
    local facts = {
      address = network.parse("203.0.113.7"), site = "site", device = "device-1", shopper = "ann",
      score = 40, item = 7, now_ms = NOW_MS,
    }
    for name, value in pairs(changes or {}) do
      facts[name] = value
    end
    local best = risk.decide(plan, "enforce", facts)
    return best and best.id
  end

  it("is judged anew by item and time", function()
    local plan =
      risk_rules.compile({ rule(1, "user_agent", { value = "bot", item = 7, until_ms = NOW_MS + 1 }) })
    assert.equal("1", decide_by(plan, "a bot"))
    assert.equal("1", decide_by(plan, "a bot"))
    assert.is_nil(decide_by(plan, "a bot", { item = 8 }))
    assert.is_nil(decide_by(plan, "a bot", { now_ms = NOW_MS + 1 }))
    assert.is_nil(decide_by(risk_rules.compile({ rule(2, "user_agent", { value = "cat" }) }), "a bot"))
  end)

  it("is one of a bounded number, whatever strangers think of", function()
    local plan = risk_rules.compile({ rule(1, "user_agent", { value = "bot" }) })
    for i = 1, 2500 do
      assert.equal(i % 2 == 0 and "1" or nil, decide_by(plan, (i % 2 == 0 and "bot " or "cat ") .. i))
      assert.is_true(plan.known_agents.count <= 1000)
    end
    assert.equal("1", decide_by(plan, string.rep("x", 600) .. "bot"))
    assert.is_nil(plan.known_agents:get(string.rep("x", 600) .. "bot"))
  end)
end)

it("lets the first enforced rule of the list decide, of whatever kind", function()
  local deny = rule(1, "score", { min_score = 0 })
  local allow = rule(2, "cidr", { cidr = "203.0.0.0/16", action = "allow" })
  local narrow = rule(3, "cidr", { cidr = "203.0.113.0/24" })
  assert.equal("1", decide({ deny, allow, narrow }))
  assert.equal("2", decide({ allow, deny, narrow }))
  assert.equal("3", decide({ narrow, allow, deny }))
end)

it("counts a watched rule and goes on", function()
  local watched = rule(1, "shopper", { value = "ann", mode = "shadow" })
  assert.equal("2", decide({ watched, rule(2, "score", { min_score = 0 }) }))
  assert.same({ "1|deny|shadow", "2|deny|enforce" }, counted)
end)

it("only counts while all risk is watched", function()
  assert.is_nil(decide({ rule(1, "shopper", { value = "ann" }) }, nil, "shadow"))
  assert.same({ "1|deny|shadow" }, counted)
end)

describe("a velocity", function()
  local seen

  before_each(function()
    seen = {}
    stub(velocity, "count", function(id, subject, shopper, within_s)
      seen[#seen + 1] = { id, subject, shopper, within_s }
      return 6
    end)
  end)

  after_each(function() velocity.count:revert() end)

  for more_than, decides in pairs({ [5] = "1", [6] = false }) do
    it("of six is " .. (decides and "" or "not ") .. "more than " .. more_than, function()
      local given = { of = "device", distinct = "shopper", more_than = more_than, within_s = 60 }
      assert.equal(decides or nil, decide({ rule(1, "velocity", given) }))
      assert.same({ { "1", "device-1", "ann", 60 } }, seen)
    end)
  end

  it("of addresses counts what counts as one address", function()
    decide({ rule(1, "velocity", { of = "address", distinct = "shopper", more_than = 1, within_s = 60 }) })
    assert.equal("site", seen[1][2])
  end)
end)

for what, wrong in pairs({
  ["an unknown kind"] = rule(1, "colour", { value = "red" }),
  ["an unknown action"] = rule(1, "shopper", { value = "ann", action = "shout" }),
  ["an unknown mode"] = rule(1, "shopper", { value = "ann", mode = "off" }),
  ["no id"] = rule(nil, "shopper", { value = "ann" }),
  ["an empty value"] = rule(1, "user_agent", { value = "" }),
  ["a network that is none"] = rule(1, "cidr", { cidr = "10.0.0.1/8" }),
  ["a score that cannot be"] = rule(1, "score", { min_score = 101 }),
  ["a velocity without a window"] =
    rule(1, "velocity", { of = "device", distinct = "shopper", more_than = 5 }),
  ["a velocity of something else"] =
    rule(1, "velocity", { of = "level", distinct = "shopper", more_than = 5, within_s = 1 }),
  ["an item that is none"] = rule(1, "shopper", { value = "ann", item = "7" }),
}) do
  it("refuses a snapshot with " .. what, function()
    assert.has_error(function() risk_rules.compile({ wrong }) end)
  end)
end

it("takes null for what may be missing", function()
  local given = rule(1, "shopper", { value = "ann", item = ngx.null, until_ms = ngx.null })
  assert.equal("1", decide({ given }))
end)
