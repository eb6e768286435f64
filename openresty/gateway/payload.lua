-- The JSON text of a token's payload, out of the middle of the token.

local base64url = require "gateway.base64url"
local ffi = require "ffi"

local band, string_of = bit.band, ffi.string

local BLANKS, PADDING = { [0] = 32, 9, 10, 13 }, 4
local NUL = 0
local ROOM_BEHIND = 64 -- who compares a text with the bytes may look beyond their end
local OPEN_BRACE = string.byte("{")

local _M = {}

local size, buffer = 0, nil

local function room_for(length)
  if length > size then
    size, buffer = length, ffi.new("unsigned char[?]", length + 2 * PADDING + ROOM_BEHIND)
  end
end

--- Decode `length` letters of base64url. Returns a pointer to the bytes, good until the next call, with a NUL
-- behind them, and their number; nil when it is not the canonical spelling of something that begins with "{".
function _M.decode(letters, length)
  room_for(length)
  local count = base64url.decode(letters, length, buffer + PADDING)
  if not count or count == 0 or buffer[PADDING] ~= OPEN_BRACE then
    return nil
  end
  buffer[PADDING + count] = NUL
  return buffer + PADDING, count
end

--- The `count` bytes that were just decoded, as a string between four blanks each. The blanks are chosen by
-- salt: a pointer to eight bytes that nobody can choose, the signature's. So the texts of one sale do not
-- have one hash (gateway/base64url.lua), and JSON does not mind blanks there.
function _M.text(count, salt)
  for i = 0, PADDING - 1 do
    buffer[i] = BLANKS[band(salt[i], 3)]
    buffer[PADDING + count + i] = BLANKS[band(salt[PADDING + i], 3)]
  end
  return string_of(buffer, count + 2 * PADDING)
end

return _M
