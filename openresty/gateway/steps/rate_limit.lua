-- Step 5: how often one address, device, shopper or level may buy. Fills address and site.

local rate_limit = require "gateway.rate_limit"

local ceil, sub = math.ceil, string.sub
local ngx = ngx

-- Who has an IPv6 address has 2^64 of them: what counts as one address is the /64.
local V6_BYTES, SITE_BYTES = 16, 8

--- req: the purchase. Returns nil, or "rate_limited" and the exact time until it would be admitted.
return function(req)
  local address = ngx.var.binary_remote_addr
  local site = #address == V6_BYTES and sub(address, 1, SITE_BYTES) or address
  req.address, req.site = address, site
  local plan = req.item.limits
  if not plan then
    return nil
  end
  local claims = req.claims
  local level = claims.lvl
  local limits = plan[level] or plan[""]
  local level_key = limits.level and level .. " " .. req.item_id
  local wait_ms =
    rate_limit.admit(limits, site, claims.dev, claims.sub, level_key, ngx.now() * 1000)
  if wait_ms then
    return "rate_limited", nil, ceil(wait_ms)
  end
end
