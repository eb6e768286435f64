-- One stock Redis cluster: which node owns a slot, and connections to it. A worker keeps its own copy of
-- the map; one instance a source.
--
-- The map is read from whichever node answers first: a second node is asked HEDGE_S after the first, so
-- that one that hangs holds up nobody. It is corrected by MOVED, and read again whenever something says that
-- an owner may have been replaced.

local breaker = require "gateway.breaker"
local resp = require "gateway.resp"
local semaphore = require "ngx.semaphore"

local band, bxor, lshift, rshift = bit.band, bit.bxor, bit.lshift, bit.rshift
local byte, find, match, sub = string.byte, string.find, string.match, string.sub
local ngx = ngx

local CONNECT_TIMEOUT_MS = 200
-- A node that hangs takes connections; a healthy one answers PING in about 1 ms.
local PROBE_TIMEOUT_MS = 200
local KEEPALIVE_MS, POOL_SIZE = 60000, 32
local REFRESH_PAUSE_S = 0.2
-- A healthy node answers in about 1 ms; asking a second one costs as little.
local HEDGE_S = 0.025

local _M = {}
local Cluster = {}
Cluster.__index = Cluster

-- CRC-16/XMODEM, the cluster specification's hash.
local crc_table = {}
for i = 0, 255 do
  local crc = lshift(i, 8)
  for _ = 1, 8 do
    crc = band(band(crc, 0x8000) ~= 0 and bxor(lshift(crc, 1), 0x1021) or lshift(crc, 1), 0xffff)
  end
  crc_table[i] = crc
end

--- The slot of a key: CRC16 of its hash tag, or of all of it, modulo 16384.
function _M.slot_of(key)
  local open = find(key, "{", 1, true)
  local close = open and find(key, "}", open + 1, true)
  if close and close > open + 1 then
    key = sub(key, open + 1, close - 1)
  end
  local crc = 0
  for i = 1, #key do
    local index = band(bxor(rshift(crc, 8), byte(key, i)), 0xff)
    crc = band(bxor(lshift(crc, 8), crc_table[index]), 0xffff)
  end
  return crc % 16384
end

--- name: of the source, for pools and logs; seeds: {host, port} of any nodes; user, password;
-- timeout_ms: for each answer.
function _M.new(name, seeds, user, password, timeout_ms)
  local addresses = {}
  for i, seed in ipairs(seeds) do
    addresses[i] = seed.host .. ":" .. seed.port
  end
  return setmetatable({
    name = name,
    seeds = addresses,
    members = {}, -- every node of the last map, masters and replicas
    owners = {}, -- slot → "host:port"
    nodes = {}, -- "host:port" → node of redis_lane
    breakers = {}, -- "host:port" → its breaker
    turn = 0,
    refreshed_at = -REFRESH_PAUSE_S,
    login = resp.command("AUTH", user, password),
    timeout_ms = timeout_ms,
  }, Cluster)
end

-- Returns whether the node took the login, or nil and the error.
local function log_in(cluster, sock)
  local ok, err = sock:send(cluster.login)
  if ok then
    ok, err = resp.read(sock)
  end
  return ok, err
end

--- A cosocket to a node, authenticated, and out of the pool where one is left. Returns it, or nil and the
-- error: nothing was sent then that changes anything.
function Cluster:connect(address)
  local host, port = match(address, "^(.*):(%d+)$")
  local sock = ngx.socket.tcp()
  sock:settimeouts(CONNECT_TIMEOUT_MS, self.timeout_ms, self.timeout_ms)
  local ok, err = sock:connect(host, tonumber(port), { pool = self.name .. ":" .. address })
  if not ok then
    return nil, err
  end
  if sock:getreusedtimes() == 0 then
    ok, err = log_in(self, sock)
    if not ok then
      sock:close()
      return nil, err
    end
  end
  return sock
end

local PING = resp.command("PING")

-- On a connection of its own: one out of the pool may be of the node's life before.
local function probe(cluster, address)
  local host, port = match(address, "^(.*):(%d+)$")
  local sock = ngx.socket.tcp()
  sock:settimeouts(CONNECT_TIMEOUT_MS, PROBE_TIMEOUT_MS, PROBE_TIMEOUT_MS)
  local ok, err = sock:connect(host, tonumber(port), { pool = "probes" })
  if ok then
    ok, err = log_in(cluster, sock)
  end
  if ok then
    ok, err = sock:send(PING)
  end
  if ok then
    ok, err = resp.read(sock)
  end
  sock:close()
  return ok == "PONG", err
end

--- The breaker of a node.
function Cluster:breaker(address)
  local one = self.breakers[address]
  if not one then
    one = breaker.new(address, function() return probe(self, address) end)
    self.breakers[address] = one
  end
  return one
end

--- Give back a connection. One on which something is unread would hand it to the next who asks: it is
-- closed.
function _M.keep(sock)
  local ok, err = sock:setkeepalive(KEEPALIVE_MS, POOL_SIZE)
  if not ok then
    ngx.log(ngx.WARN, "connection not kept: ", err)
    sock:close()
  end
end

-- Send one or more encoded commands, read as many replies; the last one counts. Returns the value (false
-- for nil), or nil, the error, and "socket" where nothing was answered.
function Cluster:ask(address, commands, replies)
  local sock, err = self:connect(address)
  if not sock then
    return nil, err, "socket"
  end
  local ok, value, where
  ok, err = sock:send(commands)
  for _ = 1, ok and replies or 0 do
    value, err, where = resp.read(sock)
    if where == "socket" then
      break
    end
  end
  if not ok or where == "socket" then
    sock:close()
    return nil, err, "socket"
  end
  _M.keep(sock)
  return value, err
end

local CLUSTER_SLOTS = resp.command("CLUSTER", "SLOTS")

-- Returns slot → address and the list of all addresses, or nil and the error.
local function read_map(cluster, address)
  local ranges, err = cluster:ask(address, CLUSTER_SLOTS, 1)
  if not ranges or #ranges == 0 then
    return nil, nil, err or "it knows of no slot" -- a node that was reset: no map to work with
  end
  local asked_host = match(address, "^(.*):%d+$")
  local owners, members, known = {}, {}, {}
  for _, range in ipairs(ranges) do
    for i = 3, #range do
      -- No host means "the address you asked": a node that never met another does not know its own.
      local host = range[i][1]
      local member = (host and host ~= "" and host or asked_host) .. ":" .. range[i][2]
      if not known[member] then
        known[member] = true
        members[#members + 1] = member
      end
      if i == 3 then
        for slot = range[1], range[2] do
          owners[slot] = member
        end
      end
    end
  end
  return owners, members
end

-- Everybody who may know the map, beginning with another one each time: a node that is cut off from the
-- others answers with the map of yesterday.
local function addresses_in_turn(cluster)
  local all, known = {}, {}
  for _, list in ipairs({ cluster.members, cluster.seeds }) do
    for _, address in ipairs(list) do
      if not known[address] then
        known[address] = true
        all[#all + 1] = address
      end
    end
  end
  local turned = {}
  for i = 1, #all do
    turned[i] = all[(cluster.turn + i - 1) % #all + 1]
  end
  cluster.turn = cluster.turn + 1
  return turned
end

local function end_reading(cluster, reading)
  reading.done = true
  cluster.reading, cluster.refreshed_at = nil, ngx.now()
  if reading.waiting > 0 then
    reading.semaphore:post(reading.waiting)
  end
end

local function read_from(premature, cluster, reading, address)
  if premature or reading.done then
    return
  end
  local ok, owners, members, err = pcall(read_map, cluster, address)
  reading.open = reading.open - 1
  if reading.done then
    return -- another node was faster
  end
  if ok and owners then
    cluster.owners, cluster.members = owners, members
    end_reading(cluster, reading)
    return
  end
  ngx.log(ngx.WARN, "slot map from ", address, ": ", ok and err or owners)
  if reading.open == 0 then
    end_reading(cluster, reading)
  end
end

--- Begin to read the slot map again; the old one stays until another is there. Does not block. Many may
-- ask at once: one reading every REFRESH_PAUSE_S serves them all.
function Cluster:refresh()
  if self.reading or ngx.now() - self.refreshed_at < REFRESH_PAUSE_S then
    return
  end
  local addresses = addresses_in_turn(self)
  local reading = { open = #addresses, waiting = 0, semaphore = semaphore.new() }
  self.reading = reading
  -- A worker that is told to stop still has requests to answer, and no timers but immediate ones.
  local hedge_s = ngx.worker.exiting() and 0 or HEDGE_S
  for i, address in ipairs(addresses) do
    local ok, err = ngx.timer.at((i - 1) * hedge_s, read_from, self, reading, address)
    if not ok then
      reading.open = reading.open - 1
      ngx.log(ngx.ERR, "slot map: ", err)
    end
  end
  if reading.open == 0 then
    end_reading(self, reading)
  end
end

--- "host:port" of the node that owns a slot, or nil when none is known. Waits for the map where it is not
-- known yet; never otherwise.
function Cluster:address_of(slot)
  if not self.owners[slot] then
    self:refresh()
    local reading = self.reading
    if reading then
      reading.waiting = reading.waiting + 1
      if not reading.semaphore:wait(self.timeout_ms / 1000) then
        reading.waiting = reading.waiting - 1
      end
    end
  end
  return self.owners[slot]
end

--- Learn from a MOVED reply, "MOVED slot host:port"; other slots may have moved with it.
function Cluster:learn_moved(reply, asked_address)
  local slot, host, port = match(reply, "^MOVED (%d+) (.*):(%d+)$")
  if slot then
    host = host ~= "" and host or match(asked_address, "^(.*):%d+$")
    self.owners[tonumber(slot)] = host .. ":" .. port
    self:refresh()
  end
end

--- Read one field of a hash on the node that owns its key; follows one MOVED or ASK.
-- Returns the string, false when there is none, or nil and the error (unknown, not "none").
function Cluster:hget(key, field)
  local slot = _M.slot_of(key)
  local address = self:address_of(slot)
  if not address then
    return nil, "no node is known for the slot"
  end
  local state = self:breaker(address)
  if not state:admits() then
    self:refresh()
    return nil, "the node does not answer"
  end
  local command = resp.command("HGET", key, field)
  local value, err, where = self:ask(address, command, 1)
  if where == "socket" then
    state:failed()
  else
    state:succeeded()
  end
  if value ~= nil then
    return value
  end
  local host, port = match(err, "^ASK %d+ (.*):(%d+)$")
  if host then
    host = host ~= "" and host or match(address, "^(.*):%d+$")
    return self:ask(host .. ":" .. port, resp.command("ASKING") .. command, 2)
  end
  if find(err, "^MOVED ") then
    self:learn_moved(err, address)
    return self:ask(self.owners[slot], command, 1)
  end
  self:refresh() -- the owner may have been replaced
  return nil, err
end

return _M
