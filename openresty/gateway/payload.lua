-- The JSON text of a token's payload, out of the middle of the token.
--
-- It begins and ends with four blanks that the signature chooses, so that the texts of one sale do not have
-- one hash (gateway/base64url.lua). JSON does not mind blanks there.

local base64url = require "gateway.base64url"
local ffi = require "ffi"

local band, byte, string_of = bit.band, string.byte, ffi.string
local const_bytes = ffi.typeof("const unsigned char *")

local BLANKS, PADDING = { [0] = 32, 9, 10, 13 }, 4
local OPEN_BRACE = byte("{")

local _M = {}

local size, buffer = 0, nil

local function room_for(length)
  if length > size then
    size, buffer = length, ffi.new("unsigned char[?]", length + 2 * PADDING)
  end
end

--- The text of token's bytes first to last, which are base64url, with blanks around it. salt: where eight
-- bytes of the token begin that nobody can choose, the signature's. Returns nil when it is no canonical
-- base64url of something that begins with "{".
function _M.text(token, first, last, salt)
  room_for(last - first + 1)
  local from = ffi.cast(const_bytes, token)
  local length = base64url.decode(from + (first - 1), last - first + 1, buffer + PADDING)
  if not length or length == 0 or buffer[PADDING] ~= OPEN_BRACE then
    return nil
  end
  for i = 0, PADDING - 1 do
    buffer[i] = BLANKS[band(from[salt - 1 + i], 3)]
    buffer[PADDING + length + i] = BLANKS[band(from[salt - 1 + PADDING + i], 3)]
  end
  return string_of(buffer, length + 2 * PADDING)
end

return _M
