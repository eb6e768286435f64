-- How often one address, device, shopper or level may buy, or one shopper show a ticket. Fills address, site.

local purchase_charge = require "gateway.purchase_charge"

local sub = string.sub
local ngx = ngx

-- Who has an IPv6 address has 2^64 of them: what counts as one address is the /64.
local V6_BYTES, SITE_BYTES = 16, 8

--- req: the purchase. Returns nil, or "rate_limited" and the exact time until it would be admitted.
return function(req)
  local address = ngx.var.binary_remote_addr
  req.address = address
  req.site = #address == V6_BYTES and sub(address, 1, SITE_BYTES) or address
  if req.ticket_claims then
    return purchase_charge.ticket(req) -- and the purchase in the queue's step, when it comes to that
  end
  return purchase_charge.purchase(req)
end
