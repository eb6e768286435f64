-- The primitive types of the Kafka protocol (kafka.apache.org/protocol): a writer into memory that grows, a
-- reader out of a string. Big endian; strings and arrays with their length in front.

local byte_buffer = require "gateway.byte_buffer"

local arshift, band, bor, bxor, lshift, rshift =
  bit.arshift, bit.band, bit.bor, bit.bxor, bit.lshift, bit.rshift
local byte, floor, sub = string.byte, math.floor, string.sub

local TWO_32 = 2 ^ 32

local _M = {}

-- Its memory is a byte_buffer's; the methods are its own, so that none is looked up twice.
local Writer = {
  clear = byte_buffer.clear, reserve = byte_buffer.reserve, raw = byte_buffer.raw, text = byte_buffer.text,
}
Writer.__index = Writer

--- A writer with room for `size` bytes at first; it takes more when needed and keeps it.
function _M.writer(size)
  return byte_buffer.new(size, Writer)
end

function Writer:int8(value)
  self:reserve(1)
  self.bytes[self.length] = band(value, 255)
  self.length = self.length + 1
end

function Writer:int16(value)
  self:int8(arshift(value, 8))
  self:int8(value)
end

-- Into a place that was reserved.
local function put_int32(bytes, at, value)
  bytes[at] = band(rshift(value, 24), 255)
  bytes[at + 1] = band(rshift(value, 16), 255)
  bytes[at + 2] = band(rshift(value, 8), 255)
  bytes[at + 3] = band(value, 255)
end

function Writer:int32(value)
  self:reserve(4)
  put_int32(self.bytes, self.length, value)
  self.length = self.length + 4
end

--- Write over four bytes: lengths and checksums are known afterwards.
function Writer:int32_at(at, value)
  put_int32(self.bytes, at, value)
end

--- value: an integer that a Lua number holds exactly, −1 too.
function Writer:int64(value)
  self:int32(bit.tobit(floor(value / TWO_32)))
  self:int32(bit.tobit(value % TWO_32))
end

--- A zigzag varint of 32 bits, as records have them.
function Writer:varint(value)
  self:reserve(5)
  local bytes, at = self.bytes, self.length
  local rest = bxor(lshift(value, 1), arshift(value, 31))
  while band(rest, -128) ~= 0 do
    bytes[at] = bor(band(rest, 127), 128)
    rest, at = rshift(rest, 7), at + 1
  end
  bytes[at] = rest
  self.length = at + 1
end

--- A string; nil is the null string.
function Writer:string(text)
  if not text then
    return self:int16(-1)
  end
  self:int16(#text)
  self:raw(text, #text)
end

local Reader = {}
Reader.__index = Reader

--- A reader of a string. Its methods raise when the string ends too early.
function _M.reader(text)
  return setmetatable({ text_ = text, at = 1 }, Reader)
end

function Reader:int16()
  local a, b = byte(self.text_, self.at, self.at + 1)
  if not b then
    error("the answer ends too early", 0)
  end
  self.at = self.at + 2
  return arshift(lshift(bor(lshift(a, 8), b), 16), 16)
end

function Reader:int32()
  local a, b, c, d = byte(self.text_, self.at, self.at + 3)
  if not d then
    error("the answer ends too early", 0)
  end
  self.at = self.at + 4
  return bor(lshift(a, 24), lshift(b, 16), lshift(c, 8), d)
end

--- Pass over `count` bytes.
function Reader:skip(count)
  self.at = self.at + count
end

--- A string, or nil for the null string.
function Reader:string()
  local length = self:int16()
  if length < 0 then
    return nil
  end
  local text = sub(self.text_, self.at, self.at + length - 1)
  if #text ~= length then
    error("the answer ends too early", 0)
  end
  self.at = self.at + length
  return text
end

--- Call `read` for each element of an array; returns the list of its answers.
function Reader:array(read)
  local list = {}
  for i = 1, self:int32() do
    list[i] = read(self)
  end
  return list
end

return _M
