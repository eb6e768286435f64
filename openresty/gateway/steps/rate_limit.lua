-- Step 5: how often one address, device, shopper or level may buy. Fills address.

local rate_limit = require "gateway.rate_limit"

local ceil = math.ceil
local ngx = ngx

--- req: the purchase. Returns nil, or "rate_limited" and the exact time until it would be admitted.
return function(req)
  local address = ngx.var.binary_remote_addr
  req.address = address
  local plan = req.item.limits
  if not plan then
    return nil
  end
  local claims = req.claims
  local level = claims.lvl
  local limits = plan[level] or plan[""]
  local level_key = limits.level and level .. " " .. req.item_id
  local wait_ms =
    rate_limit.admit(limits, address, claims.dev, claims.sub, level_key, ngx.now() * 1000)
  if wait_ms then
    return "rate_limited", nil, ceil(wait_ms)
  end
end
