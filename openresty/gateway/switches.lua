-- The operators' switches, as they are in force for one item (DESIGN §8).
--
-- The control plane has already decided between campaign, item and everything: an item's own section is
-- complete. A document without one is older, or has only the general section; what neither names is as
-- usual.

local _M = {}

local RATE_LIMITS_MAX = 100
local PERCENT_MAX = 100

local DEFAULTS = {
  sale_enabled = false, -- the document always names it; one that does not is broken, and sells nothing
  queue_mode = "configured",
  risk_mode = "enforce",
  human_check = true,
  rate_limits = 1,
  trace_sampling = 0,
}

local QUEUE_MODES = { configured = true, off = true, fifo = true }
local RISK_MODES = { enforce = true, shadow = true, off = true }

local CHECKS = {
  sale_enabled = function(value) return type(value) == "boolean" end,
  queue_mode = function(value) return QUEUE_MODES[value] end,
  risk_mode = function(value) return RISK_MODES[value] end,
  human_check = function(value) return type(value) == "boolean" end,
  rate_limits = function(value)
    return type(value) == "number" and value >= 0 and value <= RATE_LIMITS_MAX
  end,
  trace_sampling = function(value)
    return type(value) == "number" and value >= 0 and value <= PERCENT_MAX
  end,
}

--- general, own: the switches of the document and of the item, each may be nil. Returns all of them; raises a
-- string that names one with a value that it cannot have. Switches of others are not looked at.
function _M.of(general, own)
  local switches = {}
  for name, default in pairs(DEFAULTS) do
    local value = own and own[name]
    if value == nil then
      value = general and general[name]
    end
    if value == nil then
      value = default
    end
    if not CHECKS[name](value) then
      error("snapshot: switch " .. name .. " is " .. tostring(value), 0)
    end
    switches[name] = value
  end
  return switches
end

return _M
