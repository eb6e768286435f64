-- gateway.kafka: the bytes of a producer, compared with librdkafka's and Kafka's own.

local ffi = require "ffi"
local golden = require "spec.kafka.golden"
local crc32c = require "gateway.kafka.crc32c"
local record_batch = require "gateway.kafka.record_batch"
local wire = require "gateway.kafka.wire"

local function pointer(text)
  return ffi.cast("const unsigned char *", text), #text
end

local function add(batch, key, value)
  local key_at, key_length = pointer(key)
  batch:add(key_at, key_length, pointer(value))
end

describe("crc32c", function()
  -- RFC 3720 §B.4; the last is the check value of every catalogue.
  for text, expected in pairs({
    [string.rep("\0", 32)] = 0x8a9136aa,
    [string.rep("\255", 32)] = 0x62a8ab43,
    ["123456789"] = 0xe3069283,
    [""] = 0,
  }) do
    it("of " .. #text .. " bytes is that of the RFC", function()
      assert.equal(bit.tobit(expected), crc32c.of(pointer(text)))
    end)
  end
end)

describe("a record batch", function()
  it("is librdkafka's, byte for byte, but for the epoch that the broker writes", function()
    local batch = record_batch.new()
    batch:begin(golden.AT_MS)
    add(batch, "device-0001", '{"v":1}')
    add(batch, "", string.rep("x", 200))
    local text = batch:finish()
    assert.equal("\255\255\255\255", text:sub(13, 16))
    assert.equal(golden.BATCH, text:sub(1, 12) .. "\0\0\0\0" .. text:sub(17))
  end)

  it("can be begun anew in the same memory", function()
    local batch = record_batch.new()
    batch:begin(1)
    add(batch, "k", string.rep("y", 100000)) -- more than it had room for
    assert.is_true(batch:size() > 100000)
    batch:begin(golden.AT_MS)
    add(batch, "device-0001", '{"v":1}')
    add(batch, "", string.rep("x", 200))
    assert.equal(golden.BATCH:sub(17), batch:finish():sub(17))
  end)
end)

describe("a varint", function()
  for value, expected in pairs({
    [0] = "\0", [-1] = "\1", [1] = "\2", [63] = "\126", [64] = "\128\1", [-65] = "\129\1",
    [8192] = "\128\128\1", [2147483647] = "\254\255\255\255\15", [-2147483648] = "\255\255\255\255\15",
  }) do
    it("of " .. value, function()
      local writer = wire.writer(1)
      writer:varint(value)
      assert.equal(expected, writer:text())
    end)
  end
end)

it("integers of 64 bits keep what a Lua number holds", function()
  local writer = wire.writer(1)
  writer:int64(-1)
  writer:int64(golden.AT_MS)
  writer:int64(2 ^ 53)
  assert.equal("\255\255\255\255\255\255\255\255" .. "\0\0\1\162\3\32\162\123"
    .. "\0\32\0\0\0\0\0\0", writer:text())
end)
