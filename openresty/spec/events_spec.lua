-- gateway.events: nothing that becomes of an event reaches the purchase it tells of.

local EVENTS_MAX = 20000

local counted, kafka, flush, now, logged, events
local nginx = {}

package.loaded["gateway.metrics"] = {
  count = function(_, label) counted[label] = (counted[label] or 0) + 1 end,
  add = function(_, label, count) counted[label] = (counted[label] or 0) + count end,
}
package.loaded["gateway.variable"] = { bytes = function() return "10.0.0.1", 8 end }
package.loaded["gateway.kafka.producer"] = { new = function() return kafka end }
events = require "gateway.events"

local function request(claims, fields)
  local req = { item_id = "7", item = {}, claims = claims }
  for name, value in pairs(fields or {}) do
    req[name] = value
  end
  return req
end

local function ann()
  return request({ sub = "ann", dev = "device-0001", lvl = "regular", rs = 3 })
end

before_each(function()
  counted, logged, now = {}, 0, (now or 1795348800) + 100
  kafka = {
    taken = 0,
    asked = 0,
    partitions = function(self)
      self.asked = self.asked + 1
      return not self.away and 2 or nil, "connection refused"
    end,
    send = function(self, batches)
      for _, batch in ipairs(batches) do
        self.taken = self.taken + batch.count
      end
      return {}, nil
    end,
  }
  nginx = { now = ngx.now, log = ngx.log, timer = ngx.timer, var = ngx.var }
  ngx.now = function() return now end
  ngx.log = function() logged = logged + 1 end
  ngx.timer = { every = function(_, handler)
    flush = handler
    return true
  end }
  ngx.var = { http_user_agent = "ua" }
  events.start({ kafka_brokers = { {} }, kafka_prefix = "", instance = "g" })
  flush() -- what the case before has left
  counted, logged, kafka.taken, kafka.asked = {}, 0, 0, 0
end)
after_each(function()
  for name, value in pairs(nginx) do
    ngx[name] = value
  end
end)

it("an event that cannot be written fails no purchase and is counted", function()
  events.note(request({ sub = "ann", dev = "device-0001", lvl = "regular", rs = 101 }), "reserved")
  events.note({}, "reserved")
  assert.same({ failed = 2 }, counted)
end)

it("what was noted is sent at the next flush, once", function()
  for _ = 1, 1000 do
    events.note(ann(), "reserved")
  end
  flush()
  flush()
  assert.equal(1000, kafka.taken)
  assert.same({ sent = 1000 }, counted)
end)

it("what finds no room is dropped and counted", function()
  for _ = 1, EVENTS_MAX + 500 do
    events.note(ann(), "reserved")
  end
  assert.same({ full = 500 }, counted)
  flush()
  assert.equal(EVENTS_MAX, kafka.taken)
end)

it("while a flush waits for Kafka another one begins nothing, and notes go on", function()
  local send, depth = kafka.send, 0
  kafka.send = function(self, batches)
    depth = depth + 1
    assert.equal(1, depth)
    flush()
    events.note(ann(), "reserved")
    depth = depth - 1
    return send(self, batches)
  end
  events.note(ann(), "reserved")
  flush()
  assert.equal(1, kafka.taken)
  flush()
  assert.equal(2, kafka.taken)
end)

it("of answers out of memory one in 16 is told", function()
  for _ = 1, 16000 do
    events.note(request(nil, { is_from_memory = true }), "sold_out")
  end
  flush()
  assert.is_true(kafka.taken > 800 and kafka.taken < 1200)
end)

it("of sold-out answers out of Redis every one is told", function()
  for _ = 1, 100 do
    events.note(ann(), "sold_out")
  end
  flush()
  assert.equal(100, kafka.taken)
end)

it("without Kafka all is dropped, it is asked once a second, and said once", function()
  kafka.away = true
  for _ = 1, 20 do
    events.note(ann(), "reserved")
    flush()
    now = now + 0.1
  end
  assert.same({ away = 20 }, counted)
  assert.is_true(kafka.asked <= 3)
  assert.equal(1, logged)
  kafka.away, now = false, now + 1
  events.note(ann(), "reserved")
  flush()
  assert.same({ away = 20, sent = 1 }, counted)
  assert.equal(2, logged)
end)

it("what one partition did not take is counted, the rest was sent", function()
  kafka.send = function(_, batches) return { batches[1] }, "error 6" end
  for number = 1, 100 do
    events.note(request({ sub = "a", dev = "device-" .. number, lvl = "regular", rs = 0 }), "reserved")
  end
  flush()
  assert.equal(100, counted.sent + counted.away)
  assert.is_true(counted.sent > 10 and counted.away > 10)
end)

it("a number of an item that nobody knows is not told as it is", function()
  local text
  kafka.send = function(_, batches)
    text = batches[1].text
    return {}, nil
  end
  events.note({ item_id = string.rep("9", 500) }, "not_found")
  flush()
  assert.is_truthy(text:find('"item":0,', 1, true))
end)
