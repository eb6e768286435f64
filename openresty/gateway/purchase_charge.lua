-- What a request costs in the rate limits: a purchase, or showing a ticket.
--
-- Waiting is not buying: who shows a ticket of his own pays for that alone, and for the purchase when he
-- takes a number. So many who wait behind one address do not use it up, and when many of them are called at
-- once all of them buy: their numbers are paid for, and each ticket is one shopper's.

local queued = require "gateway.queue.queued"
local rate_limit = require "gateway.rate_limit"

local ceil = math.ceil
local ngx = ngx

-- As often as he is told to at the most; a few at once, because he may have several tabs open.
local TICKETS_AT_ONCE = 3
local TICKET_RATE =
  { step_ms = queued.MIN_RETRY_MS, span_ms = TICKETS_AT_ONCE * queued.MIN_RETRY_MS }

local _M = {}

local function refused(wait_ms)
  if wait_ms then
    return "rate_limited", nil, ceil(wait_ms)
  end
end

--- Charge the purchase to address, device, shopper and level, once a request. Returns nil, or "rate_limited",
-- nil and the exact time until it would be admitted.
function _M.purchase(req)
  local plan = req.item.limits
  if not plan or req.is_charged then
    return nil
  end
  local claims = req.claims
  local level = claims.lvl
  local limits = plan[level] or plan[""]
  local level_key = limits.level and level .. " " .. req.item_id
  local wait_ms =
    rate_limit.admit(limits, req.site, claims.dev, claims.sub, level_key, ngx.now() * 1000)
  req.is_charged = not wait_ms
  return refused(wait_ms)
end

--- Charge that he shows a ticket: to the shopper alone. Returns as `purchase`.
function _M.ticket(req)
  if not req.item.limits then
    return nil
  end
  return refused(rate_limit.admit_ticket(req.claims.sub, TICKET_RATE, ngx.now() * 1000))
end

return _M
