-- Which risk rules a request matches, and which of them decides.

local metrics = require "gateway.metrics"
local network = require "gateway.network"
local velocity = require "gateway.velocity"

local ngx = ngx
local find, lower = string.find, string.lower

local _M = {}

-- The rule that decides so far: the first enforced one in the order of the list. One that asks for a check
-- which was passed, or which nobody could pass, decides nothing, and those behind it are as if it were not
-- there: a puzzle is no way around a denial.
local function better(best, rule, facts, mode)
  if (rule.item and rule.item ~= facts.item) or (rule.until_ms and facts.now_ms >= rule.until_ms) then
    return best
  end
  if rule.is_shadow or mode == "shadow" then
    metrics.count("risk", rule.id .. "|" .. rule.action .. "|shadow")
    return best
  end
  if rule.action == "challenge" and facts.challenge ~= "asked" then
    metrics.count("risk", rule.id .. "|challenge|" .. facts.challenge)
    return best
  end
  return (not best or rule.place < best.place) and rule or best
end

local function best_of(best, rules, facts, mode)
  for i = 1, rules and #rules or 0 do
    best = better(best, rules[i], facts, mode)
  end
  return best
end

local function by_network(best, plan, facts, mode)
  local address = facts.address
  local lengths, networks = plan.lengths[#address], plan.networks[#address]
  for i = 1, lengths and #lengths or 0 do
    local length = lengths[i]
    best = best_of(best, networks[length][network.prefix(address, length)], facts, mode)
  end
  return best
end

-- The rules whose part is in a user agent.
local function rules_of_agent(plan, user_agent)
  local found = plan.known_agents:get(user_agent)
  if found then
    return found
  end
  found = {}
  local text = lower(user_agent)
  for _, rule in ipairs(plan.user_agents) do
    if find(text, rule.part, 1, true) then
      found[#found + 1] = rule
    end
  end
  return plan.known_agents:put(user_agent, found)
end

local function by_user_agent(best, plan, facts, mode)
  if #plan.user_agents == 0 then
    return best
  end
  local rules = rules_of_agent(plan, ngx.var.http_user_agent or "")
  for i = 1, #rules do
    best = better(best, rules[i], facts, mode)
  end
  return best
end

--- The rule that decides, or nil. plan: of risk_rules.compile; mode: "enforce" or "shadow"; facts: address
-- (4 or 16 bytes), site (what counts as one address), device, shopper, score, item (number), now_ms, and
-- challenge: "asked", "passed", or "off" where no check is asked for. Counts matches of rules that are only
-- watched, and of challenges that are not asked, wherever they stand.
function _M.decide(plan, mode, facts)
  local best = by_network(nil, plan, facts, mode)
  best = best_of(best, plan.devices[facts.device], facts, mode)
  best = best_of(best, plan.shoppers[facts.shopper], facts, mode)
  best = by_user_agent(best, plan, facts, mode)
  for _, rule in ipairs(plan.scores) do
    if facts.score >= rule.min_score then
      best = better(best, rule, facts, mode)
    end
  end
  for _, rule in ipairs(plan.velocities) do
    local subject = rule.of == "device" and facts.device or facts.site
    if velocity.count(rule.id, subject, facts.shopper, rule.within_s) > rule.more_than then
      best = better(best, rule, facts, mode)
    end
  end
  if best then
    metrics.count("risk", best.id .. "|" .. best.action .. "|enforce")
  end
  return best
end

return _M
