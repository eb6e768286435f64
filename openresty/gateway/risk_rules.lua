-- The snapshot's risk rules, made ready when they arrive: a request looks up, it does not search.
--
-- Networks are tables by prefix length, devices and shoppers tables by value; what has to be gone through
-- (user agents, scores, velocities) is few. Each rule keeps its place in the list, because the first
-- enforced one that matches decides.

local bounded_cache = require "gateway.bounded_cache"
local network = require "gateway.network"

local _M = {}

local ACTIONS = { challenge = true, slow = true, deny = true, allow = true }
local MODES = { enforce = true, shadow = true }
local SUBJECTS = { device = true, address = true }
local SCORE_MAX = 100
local WINDOW_MAX_S = 86400

local function is_text(value)
  return type(value) == "string" and value ~= ""
end

local function is_whole(value, min, max)
  return type(value) == "number" and value % 1 == 0 and value >= min and value <= max
end

local function add(index, key, rule)
  index[key] = index[key] or {}
  table.insert(index[key], rule)
end

-- Each puts a rule where it will be looked for; false when the rule is malformed.
local FILE = {}

function FILE.cidr(plan, rule, given)
  local prefix, length, size
  if is_text(given.cidr) then
    prefix, length, size = network.parse_network(given.cidr)
  end
  if not prefix then
    return false
  end
  local by_length = plan.networks[size]
  if not by_length[length] then
    by_length[length] = {}
    table.insert(plan.lengths[size], length)
  end
  add(by_length[length], prefix, rule)
end

function FILE.device(plan, rule, given)
  if not is_text(given.value) then
    return false
  end
  add(plan.devices, given.value, rule)
end

function FILE.shopper(plan, rule, given)
  if not is_text(given.value) then
    return false
  end
  add(plan.shoppers, given.value, rule)
end

function FILE.user_agent(plan, rule, given)
  if not is_text(given.value) then
    return false
  end
  rule.part = string.lower(given.value)
  table.insert(plan.user_agents, rule)
end

function FILE.score(plan, rule, given)
  if not is_whole(given.min_score, 0, SCORE_MAX) then
    return false
  end
  rule.min_score = given.min_score
  table.insert(plan.scores, rule)
end

function FILE.velocity(plan, rule, given)
  if not SUBJECTS[given.of] or given.distinct ~= "shopper" or not is_whole(given.more_than, 0, 1e9)
      or not is_whole(given.within_s, 1, WINDOW_MAX_S) then
    return false
  end
  rule.of, rule.more_than, rule.within_s = given.of, given.more_than, given.within_s
  table.insert(plan.velocities, rule)
end

local function is_optional(value, kind)
  return value == nil or value == ngx.null or type(value) == kind
end

local function optional(value)
  return value ~= ngx.null and value or nil
end

local function file(plan, place, given)
  if type(given) ~= "table" or not is_whole(given.id, 0, 2 ^ 53) or not ACTIONS[given.action]
      or not MODES[given.mode] or not FILE[given.kind] or not is_optional(given.item, "number")
      or not is_optional(given.until_ms, "number") then
    return false
  end
  local rule = {
    place = place,
    id = string.format("%d", given.id),
    action = given.action,
    is_shadow = given.mode == "shadow",
    item = optional(given.item),
    until_ms = optional(given.until_ms),
  }
  return FILE[given.kind](plan, rule, given) ~= false
end

--- rules: document.risk_rules, or nil. Returns the plan that gateway/risk.lua evaluates; raises a string when
-- a rule is malformed, so that the snapshot is refused whole.
function _M.compile(rules)
  local plan = {
    networks = { [4] = {}, [16] = {} }, -- bytes of an address → prefix length → prefix → rules
    lengths = { [4] = {}, [16] = {} },
    devices = {},
    shoppers = {},
    user_agents = {},
    known_agents = bounded_cache.new(1000, 512), -- user agent → those of its rules; filled by risk.lua
    scores = {},
    velocities = {},
  }
  for place, given in ipairs(rules or {}) do
    if not file(plan, place, given) then
      error("snapshot: risk rule " .. place .. " is malformed", 0)
    end
    plan.has_rules = true
  end
  return plan
end

return _M
