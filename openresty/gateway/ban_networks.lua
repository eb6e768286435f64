-- Banned networks of any length: a bounded list, because a request is looked up once for each length.
--
-- Worker 0 writes the whole list as one text into shared memory; a worker that sees another version makes
-- its own tables of it. A ban that is over is passed over in the look-up and leaves the list when it is full.

local network = require "gateway.network"

local ngx = ngx
local format, gmatch = string.format, string.gmatch

-- They are people's: the risk scorer bans a /24 or a /64, and those are hashed (gateway/bans.lua). A text of
-- 60 kB at most.
local LISTED_MAX = 1000

local _M = { LISTED_MAX = LISTED_MAX }

local listed, count -- worker 0: network → until_s
local is_changed = false
local version, lengths, networks -- each worker: what a request is looked up in
local last_end_s = 0

local function dictionary()
  return ngx.shared.sluice_bans_network
end

-- Calls each with a network and its end.
local function each_of(text, call)
  for name, until_s in gmatch(text or "", "(%S+) (%S+)\n") do
    call(name, tonumber(until_s))
  end
end

-- What a worker 0 before this one, which crashed or was reloaded, has left.
local function load()
  listed, count = {}, 0
  each_of(dictionary():get("list"), function(name, until_s)
    listed[name], count = until_s, count + 1
  end)
end

local function forget(name)
  if listed[name] then
    listed[name], count, is_changed = nil, count - 1, true
  end
end

local function forget_those_over()
  local now_s, over = ngx.now(), {}
  for name, until_s in pairs(listed) do
    if until_s <= now_s then
      over[#over + 1] = name
    end
  end
  for _, name in ipairs(over) do
    forget(name)
  end
end

--- In worker 0: ban a network, as text that parse_network has read, until then; or no longer (0). In force
-- after publish(). Returns false when the list is full.
function _M.set(name, until_s)
  if not listed then
    load()
  end
  if until_s <= ngx.now() then
    forget(name)
    return true
  end
  if not listed[name] then
    if count >= LISTED_MAX then
      forget_those_over()
    end
    if count >= LISTED_MAX then
      return false
    end
    count = count + 1
  end
  if listed[name] ~= until_s then
    listed[name], is_changed = until_s, true
  end
  return true
end

--- In worker 0: let the others see what was set.
function _M.publish()
  if not is_changed then
    return
  end
  local lines = {}
  for name, until_s in pairs(listed) do
    lines[#lines + 1] = format("%s %.3f\n", name, until_s)
  end
  dictionary():set("list", table.concat(lines))
  dictionary():incr("version", 1, 0)
  is_changed = false
end

local function compile()
  lengths, networks = { [4] = {}, [16] = {} }, { [4] = {}, [16] = {} }
  last_end_s = 0
  each_of(dictionary():get("list"), function(name, until_s)
    local prefix, length, size = network.parse_network(name)
    local by_length = networks[size]
    if not by_length[length] then
      by_length[length] = {}
      table.insert(lengths[size], length)
    end
    by_length[length][prefix] = until_s
    last_end_s = math.max(last_end_s, until_s)
  end)
end

--- In each worker, now and then: take the newest list. Returns whether any network is banned.
function _M.look()
  local newest = dictionary():get("version")
  if newest ~= version then
    version = newest
    compile()
  end
  return last_end_s > ngx.now()
end

--- Whether an address, 4 or 16 bytes, lies in one that is banned now.
function _M.has(address)
  local mine = lengths and lengths[#address]
  for i = 1, mine and #mine or 0 do
    local length = mine[i]
    local until_s = networks[#address][length][network.prefix(address, length)]
    if until_s and until_s > ngx.now() then
      return true
    end
  end
  return false
end

return _M
