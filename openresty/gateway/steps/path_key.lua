-- Step 3: the hidden part of the URL. A wrong one looks like a page that does not exist.

local hmac = require "gateway.hmac"

local ngx = ngx

--- req: the purchase; req.path_key is the text from the path. Returns nil or "not_found".
return function(req)
  if hmac.equal(req.path_key, req.item.path_key) then
    return nil
  end
  -- Whoever was let in just before the key was changed has the one before it, for a while.
  local before = req.item.path_key_before
  if not before or ngx.now() * 1000 >= before.until_ms or not hmac.equal(req.path_key, before.key) then
    return "not_found"
  end
end
