-- A record batch of version 2 (magic 2), uncompressed, without a producer id: what a Produce request carries
-- for one partition (kafka.apache.org/documentation/#recordbatch).

local crc32c = require "gateway.kafka.crc32c"
local wire = require "gateway.kafka.wire"

local LENGTH_AT, CHECKSUM_AT, ATTRIBUTES_AT = 8, 17, 21
local LAST_DELTA_AT, COUNT_AT = 23, 57
local FIRST_SIZE = 65536

local _M = {}
_M.__index = _M

local record = wire.writer(1024)

--- An empty batch, to be begun.
function _M.new()
  return setmetatable({ writer = wire.writer(FIRST_SIZE), count = 0 }, _M)
end

--- Begin, or begin anew in the same memory. at_ms: the time of all its records.
function _M:begin(at_ms)
  local writer = self.writer
  writer:clear()
  writer:int64(0) -- base offset: the broker's
  writer:int32(0) -- length
  writer:int32(-1) -- partition leader epoch: the broker's
  writer:int8(2) -- magic
  writer:int32(0) -- checksum
  writer:int16(0) -- attributes: no compression, time of creation
  writer:int32(0) -- last offset delta
  writer:int64(at_ms)
  writer:int64(at_ms)
  writer:int64(-1) -- producer id
  writer:int16(-1) -- producer epoch
  writer:int32(-1) -- base sequence
  writer:int32(0) -- count
  self.count = 0
end

--- Add a record. Both key and value: a pointer and the number of bytes; no key: 0 bytes.
function _M:add(key, key_length, value, value_length)
  record:clear()
  record:int8(0) -- attributes
  record:varint(0) -- timestamp delta
  record:varint(self.count) -- offset delta
  record:varint(key_length > 0 and key_length or -1)
  if key_length > 0 then
    record:raw(key, key_length)
  end
  record:varint(value_length)
  record:raw(value, value_length)
  record:varint(0) -- headers
  self.writer:varint(record.length)
  self.writer:raw(record.bytes, record.length)
  self.count = self.count + 1
end

--- Bytes so far.
function _M:size()
  return self.writer.length
end

--- Fill in what is known now. Returns the batch as a string.
function _M:finish()
  local writer = self.writer
  writer:int32_at(LENGTH_AT, writer.length - LENGTH_AT - 4)
  writer:int32_at(LAST_DELTA_AT, self.count - 1)
  writer:int32_at(COUNT_AT, self.count)
  writer:int32_at(CHECKSUM_AT,
    crc32c.of(writer.bytes + ATTRIBUTES_AT, writer.length - ATTRIBUTES_AT))
  return writer:text()
end

return _M
