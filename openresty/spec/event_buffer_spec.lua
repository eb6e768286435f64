-- gateway.event_buffer: what is put in comes out as JSON, and no more than there is room for.

local cjson = require "cjson.safe"
local event_buffer = require "gateway.event_buffer"
local ffi = require "ffi"

local HEAD = '{"v":1,"gateway":"g","item":7,"outcome":"reserved","at_ms":'
local ANN = { sub = "ann", dev = "device-0001", lvl = "regular", rs = 3 }
local NOBODY = { sub = "", dev = "", lvl = "", rs = 0 }

local function add(buffer, claims, agent)
  buffer:add(HEAD, "1795348800123", claims, "10.0.0.1", 8, tostring(claims.rs), agent or "ua/1", '"}')
end

local function key(buffer, at)
  return ffi.string(buffer.bytes + buffer.key_from[at], buffer.key_length[at])
end

it("an event is JSON with every field", function()
  local buffer = event_buffer.new(10)
  add(buffer, ANN)
  assert.same({
    v = 1, at_ms = 1795348800123, gateway = "g", item = 7, outcome = "reserved", shopper = "ann",
    device = "device-0001", address = "10.0.0.1", level = "regular", rs = 3, ua = "ua/1",
  }, cjson.decode(buffer:text(0)))
end)

it("the key is the device, or the address where there is none", function()
  local buffer = event_buffer.new(10)
  add(buffer, ANN)
  add(buffer, NOBODY)
  assert.same({ "device-0001", "10.0.0.1" }, { key(buffer, 0), key(buffer, 1) })
end)

it("a user agent cannot write into the JSON", function()
  local buffer = event_buffer.new(10)
  add(buffer, ANN, 'a"b\\c\n\127\200\0","shopper":"eve')
  assert.equal('a?b?c?????,?shopper?:?eve', cjson.decode(buffer:text(0)).ua)
  add(buffer, ANN, string.rep("x", 4000))
  assert.equal(string.rep("x", 80), cjson.decode(buffer:text(1)).ua)
end)

it("a user agent that comes again is told as the first time, also among thousands of others", function()
  local buffer = event_buffer.new(5000)
  for i = 1, 2500 do
    add(buffer, ANN, 'a"' .. i)
  end
  add(buffer, ANN, 'a"1')
  assert.equal("a?1", cjson.decode(buffer:text(0)).ua)
  assert.equal("a?2500", cjson.decode(buffer:text(2499)).ua)
  assert.equal("a?1", cjson.decode(buffer:text(2500)).ua)
end)

it("one that fails leaves nothing behind", function()
  local buffer = event_buffer.new(10)
  add(buffer, ANN)
  assert.has_error(function() buffer:add(HEAD, "1", ANN, "10.0.0.1", 8, nil, "ua", '"}') end)
  add(buffer, NOBODY)
  assert.equal(2, buffer.count)
  assert.equal("ann", cjson.decode(buffer:text(0)).shopper)
  assert.equal("", cjson.decode(buffer:text(1)).shopper)
end)

it("it is full after as many events as it was made for", function()
  local buffer = event_buffer.new(10)
  local count = 0
  while buffer:has_room() do
    add(buffer, ANN)
    count = count + 1
  end
  assert.is_true(count <= 10 and count > 5)
  buffer:clear()
  assert.is_true(buffer:has_room())
end)

it("events of the largest size never leave its memory", function()
  local buffer = event_buffer.new(200)
  local long = { sub = string.rep("s", 64), dev = string.rep("d", 64), lvl = string.rep("l", 32), rs = 100 }
  local head = string.rep("h", 200)
  while buffer:has_room() do
    buffer:add(head, "1795348800123", long, string.rep("a", 45), 45, "100", string.rep("u", 200), '","n":16}')
  end
  assert.is_true(buffer.length <= buffer.size)
end)
