-- Writes batches to one topic: finds the leaders, one connection a broker, tries what failed once more.
--
-- Best effort, for what may be lost: acks = 1, no order across a second try, and a batch that was written
-- though its answer was lost is written twice. Every method may yield; one caller at a time.

local messages = require "gateway.kafka.messages"
local wire = require "gateway.kafka.wire"

local ngx = ngx

local CONNECT_TIMEOUT_MS, ANSWER_TIMEOUT_MS = 200, 1000
-- Shorter than the broker's ten minutes of idling, so that a pooled connection is seldom a dead one.
local KEEPALIVE_MS, POOL_SIZE = 60000, 1
local ANSWER_MAX_BYTES = 4 * 1024 * 1024
local ATTEMPTS = 2

local _M = {}
_M.__index = _M

--- brokers: list of {host, port} to ask first; client_id: what the broker's log and quotas say.
function _M.new(brokers, topic, client_id)
  return setmetatable({
    seeds = brokers,
    topic = topic,
    client_id = client_id,
    leaders = nil, -- by partition + 1: {host, port}, or false
    correlation_id = 0,
    turn = 0,
  }, _M)
end

local function connected(broker)
  local sock = ngx.socket.tcp()
  sock:settimeouts(CONNECT_TIMEOUT_MS, ANSWER_TIMEOUT_MS, ANSWER_TIMEOUT_MS)
  local pool = "kafka:" .. broker.host .. ":" .. broker.port
  local ok, err = sock:connect(broker.host, broker.port, { pool = pool, pool_size = POOL_SIZE })
  if not ok then
    return nil, err
  end
  return sock
end

-- Send a request and read its answer without the size. Returns it, or nil and the error.
local function ask(broker, request)
  local sock, err = connected(broker)
  if not sock then
    return nil, err
  end
  local head, answer
  local sent
  sent, err = sock:send(request)
  if sent then
    head, err = sock:receive(4)
  end
  local size = head and wire.reader(head):int32()
  if size and size >= 4 and size <= ANSWER_MAX_BYTES then
    answer, err = sock:receive(size)
  end
  if not answer then
    sock:close() -- an unread rest would be the next one's answer
    return nil, err or "not an answer"
  end
  sock:setkeepalive(KEEPALIVE_MS, POOL_SIZE)
  return answer
end

-- Read who leads, from the first broker that says so: the ones it named before come after the seeds.
local function refresh(self)
  local list, err = {}, "no broker"
  for _, broker in ipairs(self.seeds) do
    list[#list + 1] = broker
  end
  for _, broker in pairs(self.leaders or {}) do
    list[#list + 1] = broker or nil
  end
  self.turn = self.turn + 1
  for i = 1, #list do
    local answer, leaders
    self.correlation_id = self.correlation_id + 1
    answer, err = ask(list[(self.turn + i) % #list + 1],
      messages.metadata_request(self.correlation_id, self.client_id, self.topic))
    if answer then
      leaders, err = messages.leaders(answer)
    end
    if leaders then
      self.leaders = leaders
      return true
    end
  end
  return nil, err
end

--- How many partitions the topic has, or nil and the error.
function _M:partitions()
  if not self.leaders then
    local ok, err = refresh(self)
    if not ok then
      return nil, err
    end
  end
  return #self.leaders
end

-- Batches by the leader they go to; those without one are left over.
local function by_leader(leaders, batches)
  local groups, group_of, left = {}, {}, {}
  for _, batch in ipairs(batches) do
    local broker = leaders[batch.partition + 1]
    if not broker then
      left[#left + 1] = batch
    else
      local group = group_of[broker]
      if not group then
        group = { broker = broker, batches = {} }
        group_of[broker], groups[#groups + 1] = group, group
      end
      group.batches[#group.batches + 1] = batch
    end
  end
  return groups, left
end

-- One try. Returns what was not written, and the last error.
local function try(self, batches)
  local groups, left = by_leader(self.leaders, batches)
  local last_err = #left > 0 and "no leader" or nil
  for _, group in ipairs(groups) do
    self.correlation_id = self.correlation_id + 1
    local codes
    local answer, err = ask(group.broker, messages.produce_request(self.correlation_id, self.client_id,
      self.topic, ANSWER_TIMEOUT_MS, group.batches))
    if answer then
      codes, err = messages.produce_codes(answer)
    end
    for _, batch in ipairs(group.batches) do
      local code = codes and codes[batch.partition]
      if code ~= 0 then
        left[#left + 1] = batch
        last_err = err or ("error " .. tostring(code))
      end
    end
  end
  return left, last_err
end

--- Write batches. batches: list of {partition, text = a record batch}. Returns the list of those that were
-- not written, and the error, nil when it is empty.
function _M:send(batches)
  local left, err = batches, nil
  for attempt = 1, ATTEMPTS do
    if self.leaders then
      left, err = try(self, left)
      if #left == 0 then
        return left
      end
    end
    -- The leader may have moved, or the pooled connection was dead.
    if attempt < ATTEMPTS then
      local ok
      ok, err = refresh(self)
      if not ok then
        self.leaders = nil -- whoever answers next time may know others
        return left, err
      end
    end
  end
  self.leaders = nil
  return left, err
end

return _M
