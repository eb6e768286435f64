-- gateway.variable outside of nginx: out of the ngx.var that a spec fills.

local ffi = require "ffi"

local _M = {}

function _M.bytes(name)
  local text = ngx.var[name]
  if text then
    return ffi.cast("const unsigned char *", text), #text
  end
end

return _M
