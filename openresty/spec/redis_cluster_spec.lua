-- gateway.redis_cluster: slots as the cluster specification counts them, and what MOVED teaches.

local cluster = require "gateway.redis_cluster"
local scripted_socket = require "spec.support.scripted_socket"

describe("the slot", function()
  it("is CRC16 modulo 16384", function()
    assert.equal(0x31c3, cluster.slot_of("123456789")) -- the specification's own example
    assert.equal(12182, cluster.slot_of("foo"))
    assert.equal(5061, cluster.slot_of("bar"))
    assert.equal(0, cluster.slot_of(""))
  end)

  it("is that of the hash tag, the first one, if it is not empty", function()
    assert.equal(cluster.slot_of("user1000"), cluster.slot_of("{user1000}.following"))
    assert.equal(cluster.slot_of("{bar"), cluster.slot_of("foo{{bar}}zap"))
    assert.equal(cluster.slot_of("bar"), cluster.slot_of("foo{bar}{zap}"))
    assert.are_not.equal(cluster.slot_of("bar"), cluster.slot_of("foo{}{bar}"))
    assert.are_not.equal(cluster.slot_of("bar"), cluster.slot_of("foo}bar{"))
  end)

  it("is one for all keys of a shard and another for another epoch", function()
    local slot = cluster.slot_of("{i7:s00:e1}:ctl")
    assert.equal(slot, cluster.slot_of("{i7:s00:e1}"))
    assert.equal(slot, cluster.slot_of("{i7:s00:e1}:outbox"))
    assert.are_not.equal(slot, cluster.slot_of("{i7:s00:e2}:ctl"))
  end)
end)

-- Nodes by address: what each says when it is asked, or nil when nobody listens there.
local nodes, asked, timers, now

local function network()
  nodes, asked, timers, now = {}, {}, {}, 1000
  ngx.now = function() return now end
  ngx.timer.at = function(delay, callback, ...)
    timers[#timers + 1] = { delay = delay, callback = callback, arguments = { ... } }
    return true
  end
  ngx.socket.tcp = function()
    local sock = scripted_socket.new("")
    sock.connect = function(_, host, port)
      local address = host .. ":" .. port
      asked[#asked + 1] = address
      sock.rest = nodes[address]
      return nodes[address] and true, "connection refused"
    end
    sock.setkeepalive = function() return true end
    return sock
  end
  require("ngx.semaphore").new = function() return { post = function() end, wait = function() end } end
end

local function slot_map(...)
  local ranges = {}
  for _, range in ipairs({ ... }) do
    local from, to = range[1], range[2]
    ranges[#ranges + 1] = "*" .. #range .. "\r\n:" .. from .. "\r\n:" .. to .. "\r\n"
    for i = 3, #range do
      local host, port = range[i]:match("^(.*):(%d+)$")
      ranges[#ranges + 1] = "*3\r\n$" .. #host .. "\r\n" .. host .. "\r\n:" .. port
        .. "\r\n$2\r\nid\r\n"
    end
  end
  return "+OK\r\n*" .. select("#", ...) .. "\r\n" .. table.concat(ranges)
end

local function new_cluster()
  local seeds = { { host = "a", port = 1 }, { host = "b", port = 2 }, { host = "c", port = 3 } }
  return cluster.new("primary", seeds, "gateway", "pw", 1000)
end

-- Reads the map once, as far as nobody hangs.
local function refresh(one)
  now, asked, timers = now + 1, {}, {}
  one:refresh()
  for _, timer in ipairs(timers) do
    timer.callback(false, unpack(timer.arguments))
  end
end

before_each(network)

describe("the map", function()
  it("names the master of each slot", function()
    nodes["a:1"] = slot_map({ 0, 99, "a:1", "d:4" }, { 100, 16383, "b:2" })
    local one = new_cluster()
    refresh(one)
    assert.equal("a:1", one:address_of(99))
    assert.equal("b:2", one:address_of(100))
    assert.equal("b:2", one:address_of(16383))
  end)

  it("without a host means the host that was asked", function()
    nodes["a:1"] = slot_map({ 0, 16383, ":7" })
    local one = new_cluster()
    refresh(one)
    assert.equal("a:7", one:address_of(5))
  end)

  it("is asked for at the next node while one does not answer, and who is first counts", function()
    local one = new_cluster()
    one:refresh()
    assert.same({ 0, 0.025, 0.05 }, { timers[1].delay, timers[2].delay, timers[3].delay })
    nodes["b:2"] = slot_map({ 0, 16383, "b:2" })
    timers[2].callback(false, unpack(timers[2].arguments))
    assert.equal("b:2", one:address_of(5))
    -- The slow one answers at last, with what it knew; the third is not even asked.
    nodes["a:1"] = slot_map({ 0, 16383, "a:1" })
    timers[1].callback(false, unpack(timers[1].arguments))
    timers[3].callback(false, unpack(timers[3].arguments))
    assert.equal("b:2", one:address_of(5))
    assert.same({ "b:2" }, asked)
  end)

  it("is not taken from a node that knows of no slot", function()
    nodes["a:1"], nodes["b:2"] = slot_map(), slot_map({ 0, 16383, "b:2" })
    local one = new_cluster()
    refresh(one)
    assert.equal("b:2", one:address_of(5))
  end)

  it("stays when nobody answers", function()
    nodes["a:1"] = slot_map({ 0, 16383, "a:1" })
    local one = new_cluster()
    refresh(one)
    nodes = {}
    refresh(one)
    assert.equal("a:1", one:address_of(5))
    assert.equal(3, #asked)
  end)

  it("is asked for at another node each time, at those that the last one named too", function()
    nodes["a:1"] = slot_map({ 0, 16383, "a:1", "d:4" })
    nodes["b:2"], nodes["c:3"], nodes["d:4"] = nodes["a:1"], nodes["a:1"], nodes["a:1"]
    local one, first = new_cluster(), {}
    for round = 1, 5 do
      refresh(one)
      first[round] = asked[1]
    end
    assert.same({ "a:1", "d:4", "b:2", "c:3", "a:1" }, first)
  end)

  it("is read once for all who ask at the same time", function()
    local one = new_cluster()
    one:refresh()
    one:refresh()
    assert.equal(3, #timers)
  end)
end)

describe("MOVED", function()
  it("teaches the slot's new owner, and that the map is old", function()
    local one = new_cluster()
    one:learn_moved("MOVED 12 10.0.0.5:7003", "10.0.0.1:7001")
    assert.equal("10.0.0.5:7003", one:address_of(12))
    assert.equal(3, #timers)
  end)

  it("without a host means the host that was asked", function()
    local one = new_cluster()
    one:learn_moved("MOVED 13 :7004", "10.0.0.1:7001")
    assert.equal("10.0.0.1:7004", one:address_of(13))
  end)

  it("with an IPv6 address is understood", function()
    local one = new_cluster()
    one:learn_moved("MOVED 14 ::1:7005", "10.0.0.1:7001")
    assert.equal("::1:7005", one:address_of(14))
  end)

  it("that is something else teaches nothing", function()
    local one = new_cluster()
    one:learn_moved("MOVED 12 10.0.0.5:7003", "10.0.0.1:7001")
    one:learn_moved("ASK 12 10.0.0.9:7009", "10.0.0.1:7001")
    assert.equal("10.0.0.5:7003", one:address_of(12))
  end)

  it("of one cluster is nothing to another", function()
    local one, other = new_cluster(), new_cluster()
    one:learn_moved("MOVED 12 10.0.0.5:7003", "10.0.0.1:7001")
    assert.is_nil(other:address_of(12))
  end)
end)

describe("a field that is read", function()
  local KEY = "{bar}:buyers" -- slot 5061

  local function read(...)
    local one = new_cluster()
    nodes["a:1"] = slot_map({ 0, 16383, "a:1" })
    refresh(one)
    nodes["a:1"], nodes["b:2"], asked = ...
    asked = {}
    return one:hget(KEY, "ann")
  end

  it("is a text, or clearly not there", function()
    assert.equal("x=1", (read("+OK\r\n$3\r\nx=1\r\n")))
    assert.is_false((read("+OK\r\n$-1\r\n")))
  end)

  it("is looked for where the slot has moved to", function()
    assert.equal("x=1", (read("+OK\r\n-MOVED 5061 b:2\r\n", "+OK\r\n$3\r\nx=1\r\n")))
    assert.same({ "a:1", "b:2" }, asked)
  end)

  it("is looked for where the key has gone to ahead of its slot", function()
    assert.is_false((read("+OK\r\n-ASK 5061 b:2\r\n", "+OK\r\n+OK\r\n$-1\r\n")))
    assert.same({ "a:1", "b:2" }, asked)
  end)

  for name, said in pairs({
    ["refuses"] = "+OK\r\n-CLUSTERDOWN Hash slot not served\r\n",
    ["hangs up"] = "+OK\r\n",
    ["does not let us in"] = "-WRONGPASS invalid username-password pair\r\n",
    ["sends us round in circles"] = "+OK\r\n-MOVED 5061 a:1\r\n",
  }) do
    it("is unknown when the node " .. name, function()
      local value, err = read(said)
      assert.is_nil(value)
      assert.is_string(err)
    end)
  end
end)

it("closes a connection that cannot be kept because something is unread", function()
  local sock = scripted_socket.new("")
  sock.setkeepalive = function() return nil, "unread data in buffer" end
  cluster.keep(sock)
  assert.is_true(sock.closed)
end)
