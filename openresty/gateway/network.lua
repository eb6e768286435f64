-- Internet addresses and networks, as text and as the bytes that nginx has.

local byte, char, find, gmatch, match, sub = string.byte, string.char, string.find, string.gmatch,
  string.match, string.sub
local band, lshift = bit.band, bit.lshift

local V4_BYTES, V6_BYTES = 4, 16

local _M = {}

local function parse_v4(text)
  local bytes = ""
  for part in gmatch(text .. ".", "([^.]*)%.") do
    local number = tonumber(match(part, "^%d%d?%d?$"))
    if not number or number > 255 or #bytes == V4_BYTES then
      return nil
    end
    bytes = bytes .. char(number)
  end
  return #bytes == V4_BYTES and bytes or nil
end

-- Groups of one side of "::", as bytes; nil when one is none.
local function parse_groups(text)
  if text == "" then
    return ""
  end
  local bytes = ""
  for part in gmatch(text .. ":", "([^:]*):") do
    local number = tonumber(match(part, "^%x%x?%x?%x?$") or "", 16)
    if not number then
      return nil
    end
    bytes = bytes .. char(math.floor(number / 256), number % 256)
  end
  return bytes
end

local function parse_v6(text)
  -- The last 32 bits may be written as IPv4 (RFC 4291 §2.2).
  local before, last = match(text, "^(.*:)([%d.]+%.[%d.]+)$")
  if before then
    local v4 = parse_v4(last)
    if not v4 then
      return nil
    end
    text = string.format("%s%x:%x", before, byte(v4, 1) * 256 + byte(v4, 2),
      byte(v4, 3) * 256 + byte(v4, 4))
  end
  local gap = find(text, "::", 1, true)
  if not gap then
    local bytes = parse_groups(text)
    return bytes and #bytes == V6_BYTES and bytes or nil
  end
  local left, right = parse_groups(sub(text, 1, gap - 1)), parse_groups(sub(text, gap + 2))
  if not left or not right or #left + #right > V6_BYTES - 2 then
    return nil
  end
  return left .. string.rep("\0", V6_BYTES - #left - #right) .. right
end

--- The 4 or 16 bytes of an address, as $binary_remote_addr has them, or nil.
function _M.parse(text)
  return find(text, ":", 1, true) and parse_v6(text) or parse_v4(text)
end

--- The first `length` bits of an address, the others 0.
function _M.prefix(address, length)
  local whole, rest = math.floor(length / 8), length % 8
  if rest == 0 then
    return sub(address, 1, whole)
  end
  local mask = band(lshift(0xff, 8 - rest), 0xff)
  return sub(address, 1, whole) .. char(band(byte(address, whole + 1), mask))
end

--- "10.0.0.0/8" → the prefix's bytes, its length in bits, and 4 or 16; nil when it is no network, e.g. when
-- bits behind the prefix are set.
function _M.parse_network(text)
  local address, digits = match(text, "^(.*)/(%d%d?%d?)$")
  local bytes, length = _M.parse(address or ""), tonumber(digits)
  if not bytes or length > 8 * #bytes then
    return nil
  end
  local prefix = _M.prefix(bytes, length)
  if prefix .. string.rep("\0", #bytes - #prefix) ~= bytes then
    return nil
  end
  return prefix, length, #bytes
end

return _M
