-- The snapshot's rate limits, as gateway/rate_limit.lua reads them: looked up by the token's level alone.

local _M = {}

local MS_PER_S = 1000
local PER_S_MAX, BURST_MAX = 1e6, 1e6
local FRACTIONS = 1024

local DIMENSIONS = { address = true, device = true, shopper = true, level = true }

local DEFAULT = {
  { by = "address", level = "", per_s = 3, burst = 3 },
  { by = "device", level = "", per_s = 3, burst = 3 },
  { by = "shopper", level = "", per_s = 3, burst = 3 },
}

local function is_rule(rule)
  return type(rule) == "table" and DIMENSIONS[rule.by] and type(rule.level) == "string"
    and type(rule.per_s) == "number" and rule.per_s > 0 and rule.per_s <= PER_S_MAX
    and type(rule.burst) == "number" and rule.burst % 1 == 0 and rule.burst >= 1
    and rule.burst <= BURST_MAX
end

-- level → dimension → rule. Of two for the same the slower counts, in whatever order they come.
local function by_level(rules)
  local levels = { [""] = {} }
  for _, rule in ipairs(rules) do
    if not is_rule(rule) then
      error("snapshot: a rate limit is malformed", 0)
    end
    local level = levels[rule.level] or {}
    levels[rule.level] = level
    local other = level[rule.by]
    if not other or rule.per_s < other.per_s then
      level[rule.by] = rule
    end
  end
  return levels
end

-- Whole 1024ths of a ms add up exactly with a time of today; rate_limit.lua asks whether it is exactly one
-- step.
local function scaled(rule, scale)
  local step_ms = math.ceil(MS_PER_S / (rule.per_s * scale) * FRACTIONS) / FRACTIONS
  return { step_ms = step_ms, span_ms = step_ms * rule.burst }
end

local function plan_of(levels, scale)
  local plan = {}
  for level, rules in pairs(levels) do
    plan[level] = {}
    for dimension in pairs(DIMENSIONS) do
      local rule = rules[dimension] or levels[""][dimension]
      plan[level][dimension] = rule and scaled(rule, scale)
    end
  end
  return plan
end

--- rules: document.rate_limits, or nil for the defaults. Returns a function: scale → plan, nil for scale 0; a
-- plan has for each level that is named, and for "", everybody else: dimension → {step_ms, span_ms}, the time
-- that one admission takes and that of a whole burst. Raises a string when a rule is malformed.
function _M.compile(rules)
  local levels, plans = by_level(rules or DEFAULT), {}
  return function(scale)
    if scale == 0 then
      return nil
    end
    plans[scale] = plans[scale] or plan_of(levels, scale)
    return plans[scale]
  end
end

return _M
