-- Step 3: the hidden part of the URL. A wrong one looks like a page that does not exist.

local hmac = require "gateway.hmac"

--- req: the purchase; req.path_key is the text from the path. Returns nil or "not_found".
return function(req)
  if not hmac.equal(req.path_key, req.item.path_key) then
    return "not_found"
  end
end
