-- Step 1: does this item sell now? From worker memory, before anything else is looked at. Fills item.

local snapshot = require "gateway.snapshot"
local sold_out = require "gateway.sold_out"

local ngx = ngx

--- req: the purchase; req.item_id is the text from the path. Returns nil to go on, or a refusal.
return function(req)
  local view = snapshot.current()
  if not view then
    return "busy"
  end
  local item = view.items[req.item_id]
  if not item then
    return "not_found"
  end
  req.view, req.item = view, item
  local now_ms = ngx.now() * 1000
  if item.state == "ended" or now_ms >= item.end_ms then
    return "ended"
  end
  if now_ms < item.start_ms then
    return "not_started", nil, math.ceil(item.start_ms - now_ms)
  end
  if not item.switches.sale_enabled then
    return "busy"
  end
  if sold_out.answers(req.item_id) then
    req.is_from_memory = true
    return "sold_out"
  end
end
