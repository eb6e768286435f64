-- The JSON text of a token's payload, out of the middle of the token.
--
-- LuaJIT keeps every string once, and finds it by a hash of its first and last four bytes and of four more
-- in two places between. Payloads of one sale are alike just there: thousands of them in one bucket made a
-- token cost 18 µs and more. So no string is made on the way, and the last one begins and ends with four
-- blanks that the signature chooses. JSON does not mind blanks there.

local ffi = require "ffi"

local band, bor, lshift, rshift = bit.band, bit.bor, bit.lshift, bit.rshift
local byte, string_of = string.byte, ffi.string
local const_bytes = ffi.typeof("const unsigned char *")

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
local BLANKS, PADDING = { [0] = 32, 9, 10, 13 }, 4
local OPEN_BRACE = byte("{")

local value_of = ffi.new("int32_t[256]")
ffi.fill(value_of, 1024, 0xff) -- -1: a stranger
for i = 1, #ALPHABET do
  value_of[byte(ALPHABET, i)] = i - 1
end

local _M = {}

local size, buffer = 0, nil

local function room_for(length)
  if length > size then
    size, buffer = length, ffi.new("unsigned char[?]", length + 2 * PADDING + 3)
  end
end

-- Decode base64url into the buffer, behind the padding. Returns the number of bytes, or nil when it is not
-- the canonical spelling: a stranger, or bits behind the end.
local function decode(text, first, last)
  local length = last - first + 1
  local rest = length % 4
  if rest == 1 then
    return nil
  end
  room_for(length)
  local from = ffi.cast(const_bytes, text) + (first - 1)
  local seen, at = 0, PADDING
  for i = 0, length - rest - 4, 4 do
    local a, b = value_of[from[i]], value_of[from[i + 1]]
    local c, d = value_of[from[i + 2]], value_of[from[i + 3]]
    seen = bor(seen, a, b, c, d)
    buffer[at] = band(bor(lshift(a, 2), rshift(b, 4)), 255)
    buffer[at + 1] = band(bor(lshift(b, 4), rshift(c, 2)), 255)
    buffer[at + 2] = band(bor(lshift(c, 6), d), 255)
    at = at + 3
  end
  if rest > 0 then
    local i = length - rest
    local a, b = value_of[from[i]], value_of[from[i + 1]]
    local c = rest == 3 and value_of[from[i + 2]] or 0
    seen = bor(seen, a, b, c)
    buffer[at] = band(bor(lshift(a, 2), rshift(b, 4)), 255)
    buffer[at + 1] = band(bor(lshift(b, 4), rshift(c, 2)), 255)
    at = at + rest - 1
    if band(rest == 2 and b or c, rest == 2 and 15 or 3) ~= 0 then
      return nil
    end
  end
  return seen >= 0 and at - PADDING or nil
end

--- The text of token's bytes first to last, which are base64url, with blanks around it. salt: at least
-- eight bytes that nobody can choose, the signature. Returns nil when it is no canonical base64url of
-- something that begins with "{".
function _M.text(token, first, last, salt)
  local length = decode(token, first, last)
  if not length or length == 0 or buffer[PADDING] ~= OPEN_BRACE then
    return nil
  end
  for i = 0, PADDING - 1 do
    buffer[i] = BLANKS[band(byte(salt, i + 1), 3)]
    buffer[PADDING + length + i] = BLANKS[band(byte(salt, i + 1 + PADDING), 3)]
  end
  return string_of(buffer, length + 2 * PADDING)
end

return _M
