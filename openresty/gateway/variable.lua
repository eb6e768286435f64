-- nginx's variables as bytes where they are, for what is read once and is different in each request: a token,
-- an address. `ngx.var` makes a string of it, which LuaJIT has to hash, to keep and to throw away again.

local base = require "resty.core.base"
local ffi = require "ffi"
require "resty.core.var" -- declares the function

local C = ffi.C
local get_request = base.get_request

local NGX_OK = 0
local NAME_MAX = 64

local value, length = ffi.new("char *[1]"), ffi.new("size_t[1]")
local fault = ffi.new("char *[1]")
local lower_case = ffi.new("char[?]", NAME_MAX)

local _M = {}

--- A variable of the current request. name: in lower case, at most 64 characters. Returns a pointer to its
-- bytes, which is good until the handler waits or returns, and their number; nil when it has no value.
function _M.bytes(name)
  local found = C.ngx_http_lua_ffi_var_get(get_request(), name, #name, lower_case, 0, value, length, fault)
  if found ~= NGX_OK then
    return nil
  end
  return ffi.cast("const unsigned char *", value[0]), tonumber(length[0])
end

return _M
