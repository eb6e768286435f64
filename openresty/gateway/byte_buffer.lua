-- Bytes that are put together in memory which stays. A string for each piece would have to be hashed and
-- thrown away, and nginx looks at each piece of a list several times.

local ffi = require "ffi"

local copy, string_of = ffi.copy, ffi.string

local _M = {}
_M.__index = _M

--- An empty buffer with room for `size` bytes at first; it takes more when needed and keeps it. class: its
-- methods, when they are not these.
function _M.new(size, class)
  return setmetatable({ bytes = ffi.new("unsigned char[?]", size), size = size, length = 0 }, class or _M)
end

--- Begin anew; what was written is forgotten, the room stays.
function _M:clear()
  self.length = 0
end

--- Make room for `count` more bytes.
function _M:reserve(count)
  local need = self.length + count
  if need <= self.size then
    return
  end
  local size = self.size
  repeat
    size = size * 2
  until size >= need
  local bytes = ffi.new("unsigned char[?]", size)
  copy(bytes, self.bytes, self.length)
  self.bytes, self.size = bytes, size
end

--- Append `count` bytes of a string, a pointer or an array, as they are.
function _M:raw(from, count)
  self:reserve(count)
  copy(self.bytes + self.length, from, count)
  self.length = self.length + count
end

--- What is in it, as a string.
function _M:text()
  return string_of(self.bytes, self.length)
end

return _M
