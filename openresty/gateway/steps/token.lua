-- Step 4: the entry token, bound to this item. Fills claims.

local bearer = require "gateway.bearer"

--- req: the purchase. Returns nil or "bad_token".
return function(req)
  local claims = bearer.claims(req.view.entry_keys, 0)
  if not claims or claims.item ~= req.item.id then
    return "bad_token"
  end
  req.claims = claims
end
