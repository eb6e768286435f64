-- What the risk scorer is told, as JSON texts one behind the other in memory that was taken once.
--
-- No string is made for an event: LuaJIT would intern it, and the events of one sale are alike just where its
-- hash looks (gateway/base64url.lua). The texts are copied from buffer to buffer until they are in a request.

local bounded_cache = require "gateway.bounded_cache"
local ffi = require "ffi"

local copy, string_of = ffi.copy, ffi.string
local gsub, sub = string.gsub, string.sub

ffi.cdef "void *calloc(size_t count, size_t size);"

-- 250 bytes are usual.
local BYTES_AN_EVENT = 400
local AGENT_MAX = 80
-- Strings of the largest event: gateway 100, shopper 64, device 64, level 32, address 45, agent.
local LONGEST = 1024

local _M = {}
_M.__index = _M

-- Not the collector's memory: it would count these megabytes as live and let as many of garbage lie before it
-- begins, and requests would find none of their memory in the processor's cache. Kept as long as the worker.
local function memory(type, count)
  local room = ffi.C.calloc(count, ffi.sizeof(type))
  if room == nil then
    error("no memory for events")
  end
  return ffi.cast(type .. " *", room)
end

--- A buffer for up to `events` events.
function _M.new(events)
  return setmetatable({
    bytes = memory("unsigned char", events * BYTES_AN_EVENT),
    size = events * BYTES_AN_EVENT,
    from = memory("int32_t", events + 1), -- where each event begins; one more: where the last ends
    key_from = memory("int32_t", events),
    key_length = memory("int32_t", events),
    events = events,
    count = 0,
    length = 0,
  }, _M)
end

--- Forget what is in it.
function _M:clear()
  self.count, self.length, self.from[0] = 0, 0, 0
end

--- Whether another event finds room.
function _M:has_room()
  return self.count < self.events and self.length + LONGEST <= self.size
end

local function put_bytes(self, from, length)
  copy(self.bytes + self.length, from, length)
  self.length = self.length + length
end

local function put(self, text)
  put_bytes(self, text, #text)
end

local agents = bounded_cache.new(1000, 512)

-- A client's own bytes: what needs an escape or is not ASCII becomes "?", and what is longer is cut.
local function agent_text(text)
  return agents:get(text)
    or agents:put(text, (gsub(sub(text, 1, AGENT_MAX), '[%z\1-\31"\\\127-\255]', "?")))
end

--- Add an event; there must be room. head: what stands before the time; claims: of the token, or their like;
-- address: a string or a pointer to its bytes; tail: from the quote behind the user agent. All but the agent
-- are of checked character sets, which need no escapes. The key is the device, or the address where no token
-- told a device.
function _M:add(head, at_ms, claims, address, address_length, risk, agent, tail)
  local at, device = self.count, claims.dev
  self.length = self.from[at] -- not behind what one that failed has left
  put(self, head)
  put(self, at_ms)
  put(self, ',"shopper":"')
  put(self, claims.sub)
  put(self, '","device":"')
  self.key_from[at], self.key_length[at] = self.length, #device
  put(self, device)
  put(self, '","address":"')
  if device == "" then
    self.key_from[at], self.key_length[at] = self.length, address_length
  end
  put_bytes(self, address, address_length)
  put(self, '","level":"')
  put(self, claims.lvl)
  put(self, '","rs":')
  put(self, risk)
  put(self, ',"ua":"')
  put(self, agent_text(agent))
  put(self, tail)
  self.count = at + 1
  self.from[at + 1] = self.length
end

--- The text of event number `at`, from 0; for tests.
function _M:text(at)
  return string_of(self.bytes + self.from[at], self.from[at + 1] - self.from[at])
end

return _M
