-- gateway.kafka.producer: several brokers, leaders that move, answers that do not come. Real bytes, a network
-- of tables.

local producer = require "gateway.kafka.producer"
local wire = require "gateway.kafka.wire"

local SEEDS = { { host = "a", port = 1 }, { host = "b", port = 2 } }
local NOT_LEADER = 6

-- A cluster of brokers 1 (a:1) and 2 (b:2). down: host → true; leaders: partition + 1 → broker id; refuse:
-- how many Produce requests are still answered NOT_LEADER; written: "host partition text" in order.
local cluster, real_socket

local function framed(writer)
  local text = writer:text()
  local head = wire.writer(4)
  head:int32(#text)
  return head:text() .. text
end

local function metadata()
  local writer = wire.writer(64)
  writer:int32(1)
  writer:int32(0)
  writer:int32(2)
  for id, seed in ipairs(SEEDS) do
    writer:int32(id)
    writer:string(seed.host)
    writer:int32(seed.port)
    writer:string(nil)
  end
  writer:string("cluster")
  writer:int32(1)
  writer:int32(1)
  writer:int16(0)
  writer:string("t")
  writer:int8(0)
  writer:int32(#cluster.leaders)
  for number, leader in ipairs(cluster.leaders) do
    writer:int16(0)
    writer:int32(number - 1)
    writer:int32(leader)
    writer:int32(0)
    writer:int32(0)
  end
  return framed(writer)
end

local function produced(host, request)
  local reader = wire.reader(request)
  reader:skip(12) -- size, key, version, correlation id
  reader:string()
  reader:string()
  reader:skip(6) -- acks, time-out
  reader:int32()
  reader:string()
  local answer, count = wire.writer(64), reader:int32()
  answer:int32(1)
  answer:int32(1)
  answer:string("t")
  answer:int32(count)
  for _ = 1, count do
    local partition, length = reader:int32(), reader:int32()
    local text = request:sub(reader.at, reader.at + length - 1)
    reader:skip(length)
    local code = 0
    if cluster.refuse > 0 then
      code, cluster.refuse = NOT_LEADER, cluster.refuse - 1
    else
      cluster.written[#cluster.written + 1] = host .. " " .. partition .. " " .. text
    end
    answer:int32(partition)
    answer:int16(code)
    answer:int64(0)
    answer:int64(-1)
  end
  answer:int32(0)
  return framed(answer)
end

local function tcp()
  local sock = { settimeouts = function() end, rest = "" }
  function sock:connect(host)
    self.host = host
    cluster.connects = cluster.connects + 1
    return not cluster.down[host] or nil, "connection refused"
  end
  function sock:send(data)
    local text = type(data) == "table" and table.concat(data) or data
    if cluster.mute[self.host] then
      return #text
    end
    self.rest = text:byte(6) == 3 and metadata() or produced(self.host, text)
    return #text
  end
  function sock:receive(count)
    if #self.rest < count then
      return nil, "timeout"
    end
    local data = self.rest:sub(1, count)
    self.rest = self.rest:sub(count + 1)
    return data
  end
  function sock.close() cluster.closed = cluster.closed + 1 end
  function sock.setkeepalive() cluster.kept = cluster.kept + 1 end
  return sock
end

local BATCHES = {
  { partition = 0, text = "x" }, { partition = 1, text = "y" }, { partition = 2, text = "z" },
}

local function new()
  local one = producer.new(SEEDS, "t", "c")
  one:partitions()
  return one
end

before_each(function()
  cluster = {
    down = {}, mute = {}, leaders = { 1, 2, 1 }, refuse = 0, written = {}, connects = 0, closed = 0, kept = 0,
  }
  real_socket = ngx.socket.tcp
  ngx.socket.tcp = tcp
end)
after_each(function() ngx.socket.tcp = real_socket end)

it("asks any broker how many partitions there are", function()
  cluster.down.a = true
  assert.equal(3, producer.new(SEEDS, "t", "c"):partitions())
  cluster.down = { b = true }
  assert.equal(3, producer.new(SEEDS, "t", "c"):partitions())
end)

it("says why when none answers", function()
  cluster.down = { a = true, b = true }
  local count, err = producer.new(SEEDS, "t", "c"):partitions()
  assert.is_nil(count)
  assert.equal("connection refused", err)
end)

it("sends each leader one request with all that is his", function()
  local one = new()
  cluster.connects = 0
  assert.same({}, one:send(BATCHES))
  assert.equal(2, cluster.connects)
  table.sort(cluster.written)
  assert.same({ "a 0 x", "a 2 z", "b 1 y" }, cluster.written)
end)

it("finds a leader that has moved, and sends what was refused once more", function()
  local one = new()
  cluster.leaders, cluster.refuse = { 2, 2, 2 }, 3
  assert.same({}, one:send(BATCHES))
  table.sort(cluster.written)
  assert.same({ "b 0 x", "b 1 y", "b 2 z" }, cluster.written)
end)

it("leaves what another broker has taken alone when one is down", function()
  local one = new()
  cluster.down.b = true
  local left, err = one:send(BATCHES)
  assert.same({ BATCHES[2] }, left)
  assert.equal("connection refused", err)
  table.sort(cluster.written)
  assert.same({ "a 0 x", "a 2 z" }, cluster.written)
end)

it("gives up after the second try and looks anew the next time", function()
  local one = new()
  cluster.refuse = 1000
  assert.equal(3, #one:send(BATCHES))
  assert.is_true(cluster.refuse >= 1000 - 2 * #BATCHES)
  cluster.refuse, cluster.leaders = 0, { 2, 2, 2 }
  assert.equal(3, one:partitions())
  assert.same({}, one:send(BATCHES))
  assert.equal("b 0 x", cluster.written[1])
end)

it("waits for a partition without a leader no longer than for others", function()
  cluster.leaders = { 1, -1, 1 }
  local left, err = new():send(BATCHES)
  assert.same({ BATCHES[2] }, left)
  assert.equal("no leader", err)
end)

it("closes a connection whose answer did not come, and keeps the others", function()
  local one = new()
  cluster.mute.b, cluster.kept = true, 0
  local left, err = one:send(BATCHES)
  assert.same({ BATCHES[2] }, left)
  assert.equal("timeout", err)
  assert.is_true(cluster.closed >= 2 and cluster.kept >= 1)
end)
