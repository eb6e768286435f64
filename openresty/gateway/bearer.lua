-- The entry token of the current request, from its Authorization header.

local token = require "gateway.token"
local variable = require "gateway.variable"

local ffi = require "ffi"

local C = ffi.C
local ngx = ngx

local SCHEME = "Bearer "

local _M = {}

--- keys: the snapshot's key set; grace_s, audience: see token.verify. Returns the claims, or nil and the
-- reason.
function _M.claims(keys, grace_s, audience)
  local header, length = variable.bytes("http_authorization")
  if not header or length < #SCHEME or C.memcmp(header, SCHEME, #SCHEME) ~= 0 then
    return nil, "no bearer"
  end
  return token.verify(keys, header + #SCHEME, length - #SCHEME, ngx.time(), grace_s, audience)
end

return _M
