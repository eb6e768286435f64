-- Who is served when in a draw: lobby number n of N is served at place π(n).
--
-- A balanced Feistel network with cycle walking, keyed with the draw's seed. The reference, with the reasons
-- for its numbers, is control_plane/queues/places.py; tests/vectors/draw_places.json holds both to the same.

local hmac = require "gateway.hmac"

local band, bor, bxor, lshift, rshift = bit.band, bit.bor, bit.bxor, bit.lshift, bit.rshift
local byte, char, format = string.byte, string.char, string.format

local ROUNDS = 10
local DOMAIN = "sluice-draw-1"
-- A half has at most 15 bits, so that a value never reaches the sign of a 32-bit integer.
local SIZE_MAX = 2 ^ 30

local _M = { SIZE_MAX = SIZE_MAX }

local function packed(text)
  local length = #text
  return char(0, 0, rshift(length, 8), band(length, 255)) .. text
end

local function bits_of(size)
  local bits = 1
  while 4 ^ bits < size do
    bits = bits + 1
  end
  return bits
end

--- Prepare the permutation of one bucket. seed: its bytes; item, bucket, size: integers ≥ 0.
-- Returns a function (number) → place, which returns nil unless 0 ≤ number < size.
function _M.new(seed, item, bucket, size)
  local mac = hmac.new(seed)
  local bits = bits_of(size)
  local mask = 2 ^ bits - 1
  local beginnings = {}
  for round = 1, ROUNDS do
    beginnings[round] = packed(DOMAIN) .. packed(format("%d", item)) .. packed(format("%d", bucket))
      .. packed(format("%d", size)) .. packed(format("%d", round - 1))
  end

  local function once(value)
    local left, right = rshift(value, bits), band(value, mask)
    for round = 1, ROUNDS do
      local first, second = byte(mac(beginnings[round] .. packed(format("%d", right))), 1, 2)
      left, right = right, bxor(left, band(bor(lshift(first, 8), second), mask))
    end
    return bor(lshift(left, bits), right)
  end

  return function(number)
    if number % 1 ~= 0 or number < 0 or number >= size then
      return nil
    end
    local place = once(number)
    while place >= size do
      place = once(place)
    end
    return place
  end
end

return _M
