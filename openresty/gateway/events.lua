-- Tells the risk scorer of every purchase: compact JSON to the topic gateway-events, best effort.
--
-- note() only copies into a buffer of this worker; a timer takes what is there every FLUSH_S. What finds no
-- room, or no Kafka, is dropped and counted: nobody waits for it, and nothing is written to the log for each.

local clock = require "gateway.clock"
local crc32c = require "gateway.kafka.crc32c"
local event_buffer = require "gateway.event_buffer"
local metrics = require "gateway.metrics"
local producer = require "gateway.kafka.producer"
local record_batch = require "gateway.kafka.record_batch"
local variable = require "gateway.variable"

local ngx = ngx
local random, tostring = math.random, tostring

local FLUSH_S = 0.1
-- 200,000 events a second, several times what a worker can answer. Two buffers of 8 MB, of which the system
-- gives what was ever written.
local EVENTS_MAX = 20000
-- A broker takes 1 MB a batch; an event has at most 1 kB.
local BATCH_MAX_BYTES = 500000
-- While no broker answers, it is asked this often; what comes meanwhile is dropped every time.
local RETRY_S = 1
-- Answers out of worker memory come as a flood, before a token was read: they tell of addresses only.
-- Of those one in 16 is told, with its weight, because an event costs a twentieth of such an answer and the
-- scorer asks for shares and orders of magnitude. At random, so that no pattern of arrival hides.
local SAMPLE = 16
local SAMPLED = { ended = true, not_started = true }
local NOBODY = { sub = "", dev = "", lvl = "", rs = 0 } -- no token was read
local ITEM_DIGITS = 15 -- beyond 2^53 a number is another one in JavaScript and Lua

local _M = {}

local kafka, prefix -- nil without brokers
local filling, draining
local batches = {} -- by partition + 1
local is_flushing, is_away, retry_at = false, false, 0
local tails = {} -- weight → text
local risks = {}
for i = 0, 100 do
  risks[i] = tostring(i)
end

local heads = {} -- "item outcome" → text; few, because only items of the snapshot are kept

-- Everything in front of the time.
local function head_of(req, code)
  local of_item = heads[req.item_id]
  if not of_item then
    if not req.item then -- any number that a stranger thought of
      local item = #req.item_id <= ITEM_DIGITS and req.item_id or "0"
      return prefix .. item .. ',"outcome":"' .. code .. '","at_ms":'
    end
    of_item = {}
    heads[req.item_id] = of_item
  end
  local head = of_item[code]
  if not head then
    head = prefix .. req.item_id .. ',"outcome":"' .. code .. '","at_ms":'
    of_item[code] = head
  end
  return head
end

local function write(req, code)
  local weight = 1
  if req.is_from_memory or SAMPLED[code] then
    if random(SAMPLE) ~= 1 then
      return
    end
    weight = SAMPLE
  end
  if not filling:has_room() then
    metrics.count("events", "full")
    return
  end
  local claims, agent = req.claims or NOBODY, ngx.var.http_user_agent or ""
  local address, address_length = variable.bytes("remote_addr")
  filling:add(head_of(req, code), clock.now_ms_text(), claims, address, address_length, risks[claims.rs],
    agent, tails[weight])
end

--- Note what became of a purchase. Never waits and never raises. code: the outcome.
function _M.note(req, code)
  if kafka and not pcall(write, req, code) then
    metrics.count("events", "failed")
  end
end

-- Count `count` events that were not written, and rest. Said once, and once more when Kafka is back.
local function give_up(count, err)
  metrics.add("events", "away", count)
  retry_at = ngx.now() + RETRY_S
  if not is_away then
    is_away = true
    ngx.log(ngx.WARN, "gateway-events: dropped from now on: ", err)
  end
end

local function is_back()
  if is_away then
    is_away = false
    ngx.log(ngx.WARN, "gateway-events: taken again")
  end
end

-- Send what the batches hold and begin them anew. Returns how many events were not written, and the error.
local function send()
  local sendable, written, lost = {}, 0, 0
  for i, batch in ipairs(batches) do
    if batch.count > 0 then
      sendable[#sendable + 1] = { partition = i - 1, text = batch:finish(), count = batch.count }
      written = written + batch.count
      batch:begin(ngx.now() * 1000)
    end
  end
  local left, err = kafka:send(sendable)
  for _, batch in ipairs(left) do
    lost = lost + batch.count
  end
  metrics.add("events", "sent", written - lost)
  return lost, err
end

-- Fill batches from the buffer, and send them whenever one is full.
local function drain(buffer, partitions)
  for i = 1, partitions do
    batches[i] = batches[i] or record_batch.new()
    batches[i]:begin(ngx.now() * 1000)
  end
  local bytes = buffer.bytes
  for at = 0, buffer.count - 1 do
    local key, key_length = bytes + buffer.key_from[at], buffer.key_length[at]
    local batch = batches[crc32c.of(key, key_length) % partitions + 1]
    batch:add(key, key_length, bytes + buffer.from[at], buffer.from[at + 1] - buffer.from[at])
    if batch:size() >= BATCH_MAX_BYTES or at == buffer.count - 1 then
      local lost, err = send()
      if lost > 0 then
        return give_up(lost + buffer.count - 1 - at, err)
      end
    end
  end
  is_back()
end

local function flush_once()
  filling, draining = draining, filling
  local buffer = draining
  if buffer.count == 0 then
    return
  end
  if is_away and ngx.now() < retry_at then
    return metrics.add("events", "away", buffer.count)
  end
  local partitions, err = kafka:partitions()
  if partitions then
    drain(buffer, partitions)
  else
    give_up(buffer.count, err)
  end
end

local function flush()
  if is_flushing then
    return -- Kafka is slow: the buffer fills up meanwhile
  end
  is_flushing = true
  local ok, err = pcall(flush_once)
  if not ok then
    ngx.log(ngx.ERR, "gateway-events: ", err)
  end
  draining:clear()
  is_flushing = false
end

--- Start this worker's timer, where the configuration has brokers. config: gateway.config's table.
function _M.start(config)
  if not config.kafka_brokers then
    return
  end
  kafka = producer.new(config.kafka_brokers, config.kafka_prefix .. "gateway-events",
    "sluice-gateway-" .. config.instance)
  prefix = '{"v":1,"gateway":"' .. config.instance .. '","item":'
  tails[1], tails[SAMPLE] = '"}', '","n":' .. SAMPLE .. "}"
  filling, draining = event_buffer.new(EVENTS_MAX), event_buffer.new(EVENTS_MAX)
  local ok, err = ngx.timer.every(FLUSH_S, flush)
  if not ok then
    error("events timer: " .. err)
  end
end

return _M
