-- Temporary bans, published by the risk scorer or an operator in a stream of the work Redis.
--
-- Worker 0 reads the stream, the whole of it at its start, and puts every ban with its remaining time into
-- shared memory; there every worker looks. While the work Redis is away the known bans stay until
-- they end. An entry that cannot be read is passed over, and counted.

local ban_networks = require "gateway.ban_networks"
local breaker = require "gateway.breaker"
local metrics = require "gateway.metrics"
local network = require "gateway.network"
local work_redis = require "gateway.work_redis"

local ngx = ngx
local sub = string.sub

local STREAM = "sluice:bans"
local READ_S, TIMEOUT_MS = 0.2, 300
local READ_MAX = 1000
-- How long a worker may think that there are none.
local LOOK_S = 0.1
-- The networks that are found at once, as the scorer bans them: /24 of IPv4, /64 of IPv6. Others are listed.
local NETWORK_BYTES = { [4] = 3, [16] = 8 }
-- What is in force for longer is told again every hour (workers/risk/keeper.py). So this ends only a ban
-- whose lifting was lost with the work Redis, or a mistake in until_ms.
local LONGEST_S = 86400

local _M = {}

local last_id = "-"
local upstream
local is_running = false
local has_addresses, has_visitors = false, false

local function dictionary(kind)
  return ngx.shared["sluice_bans_" .. kind]
end

-- Addresses and networks share a dictionary: their keys differ in length.
local KEYS = {
  address = function(value)
    return "address", network.parse(value)
  end,
  network = function(value)
    local prefix, length, size = network.parse_network(value)
    if prefix and length == 8 * NETWORK_BYTES[size] then
      return "address", prefix
    end
    return "listed", prefix and value
  end,
  device = function(value) return "device", value end,
  shopper = function(value) return "shopper", value end,
}

-- fields: {name, value, name, value, …}. Returns "taken", "full" when there is no room for it, or
-- "unreadable" when it is no ban.
local function apply(fields)
  local ban = {}
  for i = 1, #fields, 2 do
    ban[fields[i]] = fields[i + 1]
  end
  local until_ms, key_of = tonumber(ban.until_ms), KEYS[ban.kind]
  if not until_ms or not key_of or not ban.value or ban.value == "" or #ban.value > 64 then
    return "unreadable"
  end
  local name, key = key_of(ban.value)
  if not key then
    return "unreadable"
  end
  local left_s = math.min(until_ms / 1000 - ngx.now(), LONGEST_S)
  if name == "listed" then
    return ban_networks.set(key, ngx.now() + left_s) and "taken" or "full"
  elseif left_s <= 0 then
    dictionary(name):delete(key) -- over, or taken back
  else
    dictionary(name):set(key, true, left_s)
  end
  return "taken"
end

-- Read what is new. Returns true, or nil and the error.
local function read()
  local client, err = work_redis.connect(TIMEOUT_MS)
  if not client then
    return nil, err
  end
  repeat
    local from = last_id == "-" and "-" or "(" .. last_id
    local entries
    entries, err = client:xrange(STREAM, from, "+", "COUNT", READ_MAX)
    if not entries then
      client:close()
      return nil, err
    end
    for _, entry in ipairs(entries) do
      last_id = entry[1]
      metrics.count("bans", type(entry[2]) == "table" and apply(entry[2]) or "unreadable")
    end
    ban_networks.publish()
  until #entries < READ_MAX
  work_redis.keep(client)
  return true
end

local function poll(premature)
  if premature or is_running or not upstream:admits() then
    return
  end
  is_running = true
  local ran, ok, err = pcall(read)
  is_running = false
  if ran and ok then
    return upstream:succeeded()
  end
  if upstream.state == "closed" then
    ngx.log(ngx.WARN, "bans cannot be read: ", ran and err or ok)
  end
  upstream:failed()
end

local function is_any(name)
  return #dictionary(name):get_keys(1) > 0
end

local function look()
  local are_listed = ban_networks.look()
  has_addresses = are_listed or is_any("address")
  has_visitors = is_any("device") or is_any("shopper")
end

--- Whether any address or network is banned.
function _M.has_addresses()
  return has_addresses
end

--- Why an address is banned: "address", "network", or nil. address: 4 or 16 bytes.
function _M.of_address(address)
  local addresses = dictionary("address")
  if addresses:get(address) then
    return "address"
  elseif addresses:get(sub(address, 1, NETWORK_BYTES[#address] or 0)) or ban_networks.has(address) then
    return "network"
  end
end

--- What of a token is banned: "device", "shopper", or nil.
function _M.of_visitor(device, shopper)
  if not has_visitors then
    return nil
  elseif dictionary("device"):get(device) then
    return "device"
  elseif dictionary("shopper"):get(shopper) then
    return "shopper"
  end
end

--- What follows from it: "denied" or nil. what: as these return it, also nil; mode: "enforce" or "shadow".
function _M.meet(what, mode)
  if not what then
    return nil
  end
  metrics.count("bans_met", what .. "|" .. mode)
  return mode == "enforce" and "denied" or nil
end

--- Start looking, and in worker 0 reading.
function _M.start()
  look() -- a worker that begins anew finds what is known
  local ok, err = ngx.timer.every(LOOK_S, look)
  if ok and ngx.worker.id() == 0 then
    upstream = breaker.new("work-redis bans")
    ok, err = ngx.timer.at(0, poll)
    if ok then
      ok, err = ngx.timer.every(READ_S, poll)
    end
  end
  if not ok then
    error("bans: " .. err)
  end
end

return _M
