-- One purchase in a reserve call: "shopper reservation=qty device level at_ms", as reserve.lua reads it and
-- the outbox keeps it (control_plane/orders/line.py), and " trace-span" behind it of one that is followed. No
-- field can hold a blank.
--
-- The purchase itself waits in its lane, and its line is put together where it goes out: a string would be
-- hashed, kept and thrown away for nothing.

local resp = require "gateway.resp"

local bulk_head = resp.bulk_head

local QTY_MAX = 100 -- steps/shape.lua lets no more through
local qty_texts = {}
for qty = 1, QTY_MAX do
  qty_texts[qty] = tostring(qty)
end

local _M = {}

--- Append it to a gateway.byte_buffer as one argument of a Redis call. purchase: claims, reservation_id, qty,
-- at_ms, a text, and trace, of gateway.trace or false; batch_size: how many go out with it.
function _M.write(buffer, purchase, batch_size)
  if purchase.trace then
    purchase.trace:sent(batch_size)
    local text = _M.text(purchase)
    local bulk = bulk_head(#text)
    buffer:raw(bulk, #bulk)
    buffer:raw(text, #text)
    return buffer:raw("\r\n", 2)
  end
  local claims, id, qty = purchase.claims, purchase.reservation_id, qty_texts[purchase.qty]
  local shopper, device, level, at_ms = claims.sub, claims.dev, claims.lvl, purchase.at_ms
  local head = bulk_head(#shopper + #id + #qty + #device + #level + #at_ms + 5)
  buffer:raw(head, #head)
  buffer:raw(shopper, #shopper)
  buffer:raw(" ", 1)
  buffer:raw(id, #id)
  buffer:raw("=", 1)
  buffer:raw(qty, #qty)
  buffer:raw(" ", 1)
  buffer:raw(device, #device)
  buffer:raw(" ", 1)
  buffer:raw(level, #level)
  buffer:raw(" ", 1)
  buffer:raw(at_ms, #at_ms)
  buffer:raw("\r\n", 2)
end

--- As a string.
function _M.text(purchase)
  local claims = purchase.claims
  return claims.sub .. " " .. purchase.reservation_id .. "=" .. purchase.qty .. " " .. claims.dev .. " "
    .. claims.lvl .. " " .. purchase.at_ms .. (purchase.trace and " " .. purchase.trace.tail or "")
end

return _M
