-- The ticket that he brings to an item with a queue: ours, of this item, his own. Fills ticket_claims.
--
-- Before the limits, because who waits with a good one is not charged for a purchase (steps/rate_limit.lua).

local tickets = require "gateway.queue.ticket"

local ngx = ngx

--- req: the purchase. Returns nil, with or without a ticket, or "bad_token".
return function(req)
  local text = req.ticket
  if not text or not req.item.queue then
    return nil
  end
  local claims = tickets.verify(req.view.ticket_keys, text, ngx.time())
  if not claims or claims.item ~= req.item.id or claims.sub ~= req.claims.sub then
    return "bad_token", "ticket"
  end
  req.ticket_claims = claims
end
