-- The two requests a producer needs, and their answers: Metadata v4 and Produce v3.
--
-- Both are the first versions that know what is needed (no topic is made by asking for it; record batches of
-- version 2), so every broker since 0.11 has them, and Kafka 4 still does (KIP-896).

local wire = require "gateway.kafka.wire"

local PRODUCE, PRODUCE_VERSION = 0, 3
local METADATA, METADATA_VERSION = 3, 4
local ACKS_OF_LEADER = 1

local _M = {}

-- The size in front is written last.
local function request(key, version, correlation_id, client_id)
  local writer = wire.writer(1024)
  writer:int32(0)
  writer:int16(key)
  writer:int16(version)
  writer:int32(correlation_id)
  writer:string(client_id)
  return writer
end

local function finished(writer)
  writer:int32_at(0, writer.length - 4)
  return writer:text()
end

--- Ask who leads the partitions of a topic.
function _M.metadata_request(correlation_id, client_id, topic)
  local writer = request(METADATA, METADATA_VERSION, correlation_id, client_id)
  writer:int32(1)
  writer:string(topic)
  writer:int8(0) -- do not create it
  return finished(writer)
end

local function read_broker(reader)
  local broker = { id = reader:int32(), host = reader:string(), port = reader:int32() }
  reader:string() -- rack
  return broker
end

local function read_partition(reader)
  local code, number, leader = reader:int16(), reader:int32(), reader:int32()
  reader:array(reader.int32) -- replicas
  reader:array(reader.int32) -- those in sync
  return { code = code, number = number, leader = leader }
end

local function read_topic(reader)
  local code, name = reader:int16(), reader:string()
  reader:skip(1) -- whether it is internal
  return { code = code, name = name, partitions = reader:array(read_partition) }
end

local function read_map(text)
  local reader = wire.reader(text)
  reader:skip(8) -- correlation id, throttle time
  local brokers = {}
  for _, broker in ipairs(reader:array(read_broker)) do
    brokers[broker.id] = { host = broker.host, port = broker.port }
  end
  reader:string() -- cluster id
  reader:int32() -- controller
  local topic = reader:array(read_topic)[1]
  if not topic or topic.code ~= 0 or #topic.partitions == 0 then
    error("topic: error " .. (topic and topic.code or "?"), 0)
  end
  local leaders = {}
  for _, partition in ipairs(topic.partitions) do
    leaders[partition.number + 1] = brokers[partition.leader] or false -- none is elected now
  end
  return leaders
end

-- What `read` makes of an answer, or nil and what is wrong with it.
local function read_with(read, text)
  local ok, result = pcall(read, text)
  if not ok then
    return nil, result
  end
  return result
end

--- The answer of metadata_request for its one topic, without the size in front. Returns the leaders, a list
-- by partition + 1 of {host, port}, false where there is none now; or nil and what is wrong.
function _M.leaders(text)
  return read_with(read_map, text)
end

--- Write batches to partitions of one topic that have one leader. batches: list of {partition, text}.
-- Returns a list of strings.
function _M.produce_request(correlation_id, client_id, topic, timeout_ms, batches)
  local writer = request(PRODUCE, PRODUCE_VERSION, correlation_id, client_id)
  writer:string(nil) -- no transaction
  writer:int16(ACKS_OF_LEADER)
  writer:int32(timeout_ms)
  writer:int32(1)
  writer:string(topic)
  writer:int32(#batches)
  local parts, total, from = {}, 0, 0
  for i = 1, #batches do
    writer:int32(batches[i].partition)
    writer:int32(#batches[i].text)
    parts[#parts + 1] = { from, writer.length }
    from, total = writer.length, total + #batches[i].text
  end
  writer:int32_at(0, writer.length + total - 4)
  local text, pieces = writer:text(), {}
  for i = 1, #parts do
    pieces[#pieces + 1] = string.sub(text, parts[i][1] + 1, parts[i][2])
    pieces[#pieces + 1] = batches[i].text
  end
  return pieces
end

local function read_codes(text)
  local reader, codes = wire.reader(text), {}
  reader:skip(4) -- correlation id
  for _ = 1, reader:int32() do
    reader:string() -- topic
    for _ = 1, reader:int32() do
      local partition, code = reader:int32(), reader:int16()
      codes[partition] = code
      reader:skip(16) -- offset, time of the log
    end
  end
  return codes
end

--- The answer of produce_request, without the size in front. Returns partition → error code (0: written), or
-- nil and what is wrong.
function _M.produce_codes(text)
  return read_with(read_codes, text)
end

return _M
