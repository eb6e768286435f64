-- base64url (RFC 4648 §5, no padding) from buffer to buffer.
--
-- ngx.base64 does the same from string to string, and each string is interned: LuaJIT hashes it by its
-- first and last four bytes and four more in two places between. The tokens of one sale are alike just
-- there; thousands of their payloads in one bucket made a token cost 18 µs and more.

local ffi = require "ffi"

local band, bor, lshift, rshift = bit.band, bit.bor, bit.lshift, bit.rshift
local byte = string.byte

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

local letter_of = ffi.new("unsigned char[64]")
local value_of = ffi.new("int32_t[256]")
ffi.fill(value_of, 1024, 0xff) -- -1: a stranger
for i = 1, #ALPHABET do
  letter_of[i - 1], value_of[byte(ALPHABET, i)] = byte(ALPHABET, i), i - 1
end

local _M = {}

--- Encode `length` bytes of `from` into `to`, both pointers or arrays of bytes; a last group that is not
-- whole is read as if zeros followed, so `from` must have room for it. Returns the number of letters.
function _M.encode(from, length, to)
  local at = 0
  for i = 0, length - 1, 3 do
    local a, b, c = from[i], from[i + 1], from[i + 2]
    b, c = i + 1 < length and b or 0, i + 2 < length and c or 0
    to[at] = letter_of[rshift(a, 2)]
    to[at + 1] = letter_of[bor(lshift(band(a, 3), 4), rshift(b, 4))]
    to[at + 2] = letter_of[bor(lshift(band(b, 15), 2), rshift(c, 6))]
    to[at + 3] = letter_of[band(c, 63)]
    at = at + 4
  end
  return math.ceil(length * 4 / 3)
end

--- Decode `length` letters of `from` into `to`. Returns the number of bytes, or nil when it is not the
-- canonical spelling: a stranger, a length that cannot be, or bits behind the end.
function _M.decode(from, length, to)
  local rest = length % 4
  if rest == 1 then
    return nil
  end
  local seen, at = 0, 0
  for i = 0, length - rest - 4, 4 do
    local a, b = value_of[from[i]], value_of[from[i + 1]]
    local c, d = value_of[from[i + 2]], value_of[from[i + 3]]
    seen = bor(seen, a, b, c, d)
    to[at] = band(bor(lshift(a, 2), rshift(b, 4)), 255)
    to[at + 1] = band(bor(lshift(b, 4), rshift(c, 2)), 255)
    to[at + 2] = band(bor(lshift(c, 6), d), 255)
    at = at + 3
  end
  if rest > 0 then
    local i = length - rest
    local a, b = value_of[from[i]], value_of[from[i + 1]]
    local c = rest == 3 and value_of[from[i + 2]] or 0
    seen = bor(seen, a, b, c)
    to[at] = band(bor(lshift(a, 2), rshift(b, 4)), 255)
    if rest == 3 then
      to[at + 1] = band(bor(lshift(b, 4), rshift(c, 2)), 255)
    end
    at = at + rest - 1
    if band(rest == 2 and b or c, rest == 2 and 15 or 3) ~= 0 then
      return nil
    end
  end
  return seen >= 0 and at or nil
end

return _M
