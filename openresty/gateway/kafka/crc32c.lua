-- CRC-32C (Castagnoli, RFC 3720 §12.1), four bytes a step: the checksum of Kafka's record batches.
-- ngx.crc32_long is another polynomial.

local ffi = require "ffi"

local band, bnot, bxor, lshift, rshift = bit.band, bit.bnot, bit.bxor, bit.lshift, bit.rshift

local POLYNOMIAL = 0x82f63b78 -- reflected

local T0, T1, T2, T3 =
  ffi.new("int32_t[256]"), ffi.new("int32_t[256]"), ffi.new("int32_t[256]"), ffi.new("int32_t[256]")
for i = 0, 255 do
  local crc = i
  for _ = 1, 8 do
    crc = bxor(rshift(crc, 1), band(crc, 1) == 1 and POLYNOMIAL or 0)
  end
  T0[i] = crc
end
for i = 0, 255 do
  T1[i] = bxor(rshift(T0[i], 8), T0[band(T0[i], 255)])
  T2[i] = bxor(rshift(T1[i], 8), T0[band(T1[i], 255)])
  T3[i] = bxor(rshift(T2[i], 8), T0[band(T2[i], 255)])
end

local _M = {}

--- The checksum of `length` bytes, as a signed 32-bit number. bytes: a pointer to, or an array of,
-- unsigned char.
function _M.of(bytes, length)
  local crc, at = -1, 0
  while at + 4 <= length do
    crc = bxor(crc, bytes[at], lshift(bytes[at + 1], 8), lshift(bytes[at + 2], 16),
      lshift(bytes[at + 3], 24))
    crc = bxor(T3[band(crc, 255)], T2[band(rshift(crc, 8), 255)], T1[band(rshift(crc, 16), 255)],
      T0[rshift(crc, 24)])
    at = at + 4
  end
  while at < length do
    crc = bxor(rshift(crc, 8), T0[band(bxor(crc, bytes[at]), 255)])
    at = at + 1
  end
  return bnot(crc)
end

return _M
