-- Last step: take the units, in one batch with whoever else is waiting (DESIGN §4.5).

local batch = require "gateway.batch"
local clock = require "gateway.clock"
local reservation_id = require "gateway.reservation_id"
local shards = require "gateway.shards"
local sold_out = require "gateway.sold_out"

local ngx = ngx

-- What each verdict of the batch means to the shopper. Not answered is not refused: `pending`.
local OUTCOMES = {
  R = "reserved",
  A = "reserved",
  L = "limit_reached",
  S = "sold_out",
  P = "sold_out", -- for him, with this quantity
  B = "denied", -- the shopper is banned
  E = "busy", -- this shard has too few now, but units may still come to it
  unknown = "pending",
  full = "busy",
  refused = "busy",
  fenced = "busy",
  broken = "busy",
}

-- How many are left is not told: it would be another number by the time he hears it.
local DETAILS = { P = "fewer are left than you asked for" }

--- req: the purchase. Always returns an outcome; fills reservation_id and, when reserved, qty.
return function(req)
  local shard = shards.home(req.item, req.claims.sub)
  if not shard or not shard.lane then
    return "busy" -- not armed, not yet or not now, or this gateway cannot reach its source
  end
  req.reservation_id =
    reservation_id.make(req.item.id, shard.shard, req.claims.sub, req.idempotency_key)
  req.at_ms = clock.now_ms_text()
  -- A fault of ours after the sending must not be told as "no" either.
  local ok, verdict, stored_qty = pcall(batch.reserve, shard.lane, req)
  if req.trace then
    req.trace:answered(shard, verdict)
  end
  if not ok then
    ngx.log(ngx.ERR, "reserve: ", verdict)
    return "pending"
  end
  if stored_qty == 0 then
    return "pending" -- it was his and has ended: the status tells how
  end
  if verdict == "S" then
    sold_out.note(req.item_id)
  end
  req.qty = stored_qty or req.qty -- the first answer, whatever a retry asks for
  return OUTCOMES[verdict] or "pending", DETAILS[verdict]
end
