-- The claims of an entry token, read from bytes that stand exactly as the edge worker writes them
-- (edge-workers/worker/tokens/entry.ts).
--
-- A JSON parser makes a string of the whole text, eleven names and values, and a table that grows four times;
-- here the five values that a purchase needs are made. Whatever looks different in any way is left to the
-- parser (gateway/token.lua): this reader never refuses a token.

local ffi = require "ffi"

ffi.cdef [[
int memcmp(const void *a, const void *b, size_t length);
size_t strspn(const char *text, const char *accepted);
unsigned long long strtoull(const char *text, char **end, int base);
]]

local C = ffi.C
local byte, string_of = string.byte, ffi.string

local LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
local SHOPPER, DEVICE, LEVEL = LETTERS .. "._:-", LETTERS .. "_-", "abcdefghijklmnopqrstuvwxyz_"
local AUDIENCE = "abcdefghijklmnopqrstuvwxyz-"
local ZERO, NINE = byte("0"), byte("9")
local LETTER_P = byte("p")
local DIGITS_MAX = 15 -- beyond 2^53 a number is another one in Lua

local number_end = ffi.new("char *[1]")

-- Each returns where it ended, or nil.

local function literal(bytes, at, text)
  if C.memcmp(bytes + at, text, #text) == 0 then
    return at + #text
  end
end

local function run(bytes, at, accepted, min, max)
  local length = tonumber(C.strspn(bytes + at, accepted))
  if length >= min and length <= max then
    return at + length
  end
end

local function integer(bytes, at)
  local first = bytes[at]
  if first < ZERO or first > NINE then
    return nil
  end
  local value = tonumber(C.strtoull(bytes + at, number_end, 10))
  local ends = at + tonumber(ffi.cast("char *", number_end[0]) - (bytes + at))
  if ends - at <= DIGITS_MAX and (first ~= ZERO or ends == at + 1) then
    return ends, value
  end
end

local _M = {}

--- bytes: pointer to `length` bytes of JSON, followed by one NUL. Returns the claims {aud, sub, item, dev,
-- lvl, rs, nbf, exp}, and pz where it stands, whose texts have the permitted characters and lengths, and iat,
-- which nobody needs later; or nil when the text is not exactly of this form, which says nothing against the
-- token.
function _M.read(bytes, length)
  bytes = ffi.cast("char *", bytes)
  local audience = literal(bytes, 0, '{"iss":"sluice-edge","aud":"')
  local audience_end = audience and run(bytes, audience, AUDIENCE, 1, 32)
  local shopper = audience_end and literal(bytes, audience_end, '","sub":"')
  local shopper_end = shopper and run(bytes, shopper, SHOPPER, 1, 64)
  local at = shopper_end and literal(bytes, shopper_end, '","item":')
  if not at then
    return nil
  end
  local item, risk, puzzle, nbf, iat, exp
  at, item = integer(bytes, at)
  local device = at and literal(bytes, at, ',"dev":"')
  local device_end = device and run(bytes, device, DEVICE, 8, 64)
  local level = device_end and literal(bytes, device_end, '","lvl":"')
  local level_end = level and run(bytes, level, LEVEL, 1, 32)
  at = level_end and literal(bytes, level_end, '","rs":')
  if not at then
    return nil
  end
  at, risk = integer(bytes, at)
  -- Most have none: one byte tells, where `,"jti"` or `,"pz"` stands.
  if at and bytes[at + 2] == LETTER_P then
    at = literal(bytes, at, ',"pz":')
    if not at then
      return nil
    end
    at, puzzle = integer(bytes, at)
  end
  at = at and literal(bytes, at, ',"jti":"')
  at = at and run(bytes, at, DEVICE, 1, 64)
  at = at and literal(bytes, at, '","nbf":')
  if not at then
    return nil
  end
  at, nbf = integer(bytes, at)
  at = at and literal(bytes, at, ',"iat":')
  if not at then
    return nil
  end
  at, iat = integer(bytes, at)
  at = at and literal(bytes, at, ',"exp":')
  if not at then
    return nil
  end
  at, exp = integer(bytes, at)
  at = at and literal(bytes, at, "}")
  if at ~= length then
    return nil
  end
  local claims = {
    aud = string_of(bytes + audience, audience_end - audience),
    sub = string_of(bytes + shopper, shopper_end - shopper),
    item = item,
    dev = string_of(bytes + device, device_end - device),
    lvl = string_of(bytes + level, level_end - level),
    rs = risk,
    nbf = nbf,
    exp = exp,
  }
  -- Not in the table above: with a ninth name it would be made twice as large for everybody.
  if puzzle then
    claims.pz = puzzle
  end
  return claims, iat
end

return _M
