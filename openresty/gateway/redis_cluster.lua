-- Which stock Redis node owns a slot, and connections to it.
--
-- The map is read from the first node that answers, corrected by MOVED, and read again when an owner cannot
-- be reached: it may have been replaced. A worker keeps its own copy.

local resp = require "gateway.resp"
local semaphore = require "ngx.semaphore"

local ok_resty, redis = pcall(require, "resty.redis")
if not ok_resty then
  redis = require "nginx.redis" -- Debian's name for the same library
end

local band, bxor, lshift, rshift = bit.band, bit.bxor, bit.lshift, bit.rshift
local byte, find, sub = string.byte, string.find, string.sub
local ngx = ngx

local CONNECT_TIMEOUT_MS = 200
local KEEPALIVE_MS, POOL_SIZE = 60000, 32
local REFRESH_PAUSE_S = 0.2

local _M = {}

local seeds, user, password, timeout_ms
local owners = {} -- slot → "host:port"
local refreshed_at = 0
local reading, readers_waiting -- a semaphore while the map is read, and how many wait for it

--- config: gateway.config's table.
function _M.configure(config)
  seeds, timeout_ms = config.stock_redis, config.reserve_timeout_ms
  user, password = config.stock_redis_user, config.stock_redis_password
end

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

local function open_library_client(host, port)
  local client = redis:new()
  -- Not set_timeouts: Debian's library is older than it and would send it to Redis as a command.
  client:set_timeout(CONNECT_TIMEOUT_MS)
  local ok, err = client:connect(host, port)
  if not ok then
    return nil, err
  end
  client:set_timeout(timeout_ms)
  if client:get_reused_times() == 0 then
    ok, err = client:auth(user, password)
    if not ok then
      client:close()
      return nil, err
    end
  end
  return client
end

local function read_slots(host, port)
  local client, err = open_library_client(host, port)
  if not client then
    return nil, err
  end
  local ranges
  ranges, err = client:cluster("slots")
  if not ranges then
    client:close()
    return nil, err
  end
  client:set_keepalive(KEEPALIVE_MS, POOL_SIZE)
  local map = {}
  for _, range in ipairs(ranges) do
    -- An empty host means "the address you asked": a node that never met another does not know its own.
    local node_host = range[3][1] ~= "" and range[3][1] or host
    for slot = range[1], range[2] do
      map[slot] = node_host .. ":" .. range[3][2]
    end
  end
  return map
end

local function read_map()
  for _, seed in ipairs(seeds) do
    local _, map, err = pcall(read_slots, seed.host, seed.port)
    if type(map) == "table" then
      owners = map
      return
    end
    ngx.log(ngx.WARN, "slot map from ", seed.host, ":", seed.port, ": ", err or map)
  end
end

--- Read the slot map again; the old one stays when no seed answers. Blocks. Many may ask at once: one
-- reading every REFRESH_PAUSE_S serves them all, and who comes while it runs waits for it.
function _M.refresh()
  if reading then
    readers_waiting = readers_waiting + 1
    reading:wait(timeout_ms / 1000)
    return
  end
  if ngx.now() - refreshed_at < REFRESH_PAUSE_S then
    return
  end
  reading, readers_waiting = semaphore.new(), 0
  read_map()
  refreshed_at = ngx.now()
  local done = reading
  reading = nil
  if readers_waiting > 0 then
    done:post(readers_waiting)
  end
end

--- "host:port" of the node that owns a slot, or nil when none is known. May block for a refresh.
function _M.address_of(slot)
  if not owners[slot] then
    _M.refresh()
  end
  return owners[slot]
end

--- Learn from a MOVED reply: "MOVED slot host:port".
function _M.learn_moved(reply, asked_address)
  local slot, host, port = string.match(reply, "^MOVED (%d+) (.*):(%d+)$")
  if slot then
    host = host ~= "" and host or string.match(asked_address, "^(.*):%d+$")
    owners[tonumber(slot)] = host .. ":" .. port
  end
end

--- A plain cosocket to a node, authenticated. Returns it, or nil and the error: nothing was sent then.
function _M.connect(address)
  local host, port = string.match(address, "^(.*):(%d+)$")
  local sock = ngx.socket.tcp()
  sock:settimeouts(CONNECT_TIMEOUT_MS, timeout_ms, timeout_ms)
  local ok, err = sock:connect(host, tonumber(port), { pool = "batch:" .. address })
  if not ok then
    return nil, err
  end
  if sock:getreusedtimes() == 0 then
    ok, err = sock:send(resp.command("AUTH", user, password))
    if ok then
      ok, err = resp.read(sock)
    end
    if not ok then
      sock:close()
      return nil, err
    end
  end
  return sock
end

--- Give back a connection on which nothing is unread.
function _M.keep(sock)
  sock:setkeepalive(KEEPALIVE_MS, POOL_SIZE)
end

--- Read one field of a hash on the node that owns its key.
-- Returns the string, false when there is none, or nil and the error (unknown, not "none").
function _M.hget(key, field)
  local address = _M.address_of(_M.slot_of(key))
  if not address then
    return nil, "no node is known for the slot"
  end
  local host, port = string.match(address, "^(.*):(%d+)$")
  local client, err = open_library_client(host, tonumber(port))
  if not client then
    return nil, err
  end
  local value
  value, err = client:hget(key, field)
  if value == nil or (value == false and err) then
    if err and find(err, "^MOVED ") then
      _M.learn_moved(err, address)
    end
    client:close()
    return nil, err
  end
  client:set_keepalive(KEEPALIVE_MS, POOL_SIZE)
  return value ~= ngx.null and value
end

return _M
