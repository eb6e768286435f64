-- The entry token of the current request, from its Authorization header.

local token = require "gateway.token"

local ngx = ngx
local sub = string.sub

local SCHEME = "Bearer "

local _M = {}

--- keys: the snapshot's key set; grace_s, audience: see token.verify. Returns the claims, or nil and the
-- reason.
function _M.claims(keys, grace_s, audience)
  local header = ngx.var.http_authorization
  if not header or sub(header, 1, #SCHEME) ~= SCHEME then
    return nil, "no bearer"
  end
  return token.verify(keys, header, #SCHEME + 1, ngx.time(), grace_s, audience)
end

return _M
