-- Text that is put together in memory which stays. A string for each piece would have to be hashed and thrown
-- away, and nginx looks at each piece of a list several times.

local ffi = require "ffi"

local copy, string_of = ffi.copy, ffi.string

local _M = {}
_M.__index = _M

--- An empty buffer with room for `size` bytes at first; it takes more when needed and keeps it.
function _M.new(size)
  return setmetatable({ bytes = ffi.new("char[?]", size), size = size, length = 0 }, _M)
end

--- Forget what is in it; the room stays.
function _M:clear()
  self.length = 0
end

local function grow(self, need)
  local size = self.size
  repeat
    size = size * 2
  until size >= need
  local bytes = ffi.new("char[?]", size)
  copy(bytes, self.bytes, self.length)
  self.bytes, self.size = bytes, size
end

--- Append a string.
function _M:put(text)
  local length, at = #text, self.length
  if at + length > self.size then
    grow(self, at + length)
  end
  copy(self.bytes + at, text, length)
  self.length = at + length
end

--- What is in it, as a string.
function _M:text()
  return string_of(self.bytes, self.length)
end

return _M
