-- gateway.redis_lane: where a lane leads while its node is left alone.

local redis_lane = require "gateway.redis_lane"

local function lane_to(is_open)
  require("ngx.semaphore").new = function() return {} end
  local cluster = { nodes = {}, refreshed = 0 }
  function cluster.address_of() return "a:1" end
  function cluster.breaker() return { is_open = function() return is_open end } end
  function cluster.refresh(self) self.refreshed = self.refreshed + 1 end
  return redis_lane.new(cluster, "{i7:s00:e1}", string.rep("a", 40), 64), cluster
end

it("asks for the slot map again while its node is left alone: another one may own the slot", function()
  local lane, cluster = lane_to(true)
  assert.equal("a:1", lane:node().address)
  assert.equal(1, cluster.refreshed)
end)

it("sends a purchase as one line, in one call with the others", function()
  local lane, parts = lane_to(false), {}
  local claims = { sub = "ann", dev = "device-0001", lvl = "regular" }
  local ann = { claims = claims, reservation_id = "7-0-abc", qty = 1, at_ms = "1795348800123" }
  local bob = { claims = claims, reservation_id = "7-0-def", qty = 100, at_ms = "1795348800124" }
  lane:encode(parts, { { wish = ann }, { wish = bob } })
  local line = "ann 7-0-abc=1 device-0001 regular 1795348800123"
  local other = "ann 7-0-def=100 device-0001 regular 1795348800124"
  assert.equal("*9\r\n", parts[1])
  assert.equal("$" .. #line .. "\r\n" .. line .. "\r\n$" .. #other .. "\r\n" .. other .. "\r\n", parts[3])
  assert.equal(line, require("gateway.reserve_line").text(ann))
end)

it("knows no more of a batch that is answered, whatever becomes of the next one", function()
  local lane = lane_to(false)
  local node = lane:node()
  node.breaker.failed = function() end
  node.sock = require("spec.support.scripted_socket").new("-FENCED epoch 1\r\n*2\r\n$1\r\nR\r\n$0\r\n\r\n")
  local fenced, faulty = { lane = lane, requests = {} }, { lane = {}, requests = { "somebody" } }
  faulty.lane.encode = function() end
  faulty.lane.finish = function() error("a fault of ours") end
  fenced.requests[1] = {
    node = node,
    semaphore = { post = function() end },
    wish = { claims = { sub = "a", dev = "d", lvl = "l" }, reservation_id = "7-0-a", qty = 1, at_ms = "1" },
  }
  node.held = 1
  assert.has_error(function() node:exchange({ fenced, faulty }) end)
  assert.same({}, fenced.requests)
  assert.same({ "somebody" }, faulty.requests) -- they were sent: their verdict is unknown
end)

it("leaves the slot map alone otherwise", function()
  local lane, cluster = lane_to(false)
  assert.equal(lane:node(), lane:node())
  assert.equal(0, cluster.refreshed)
end)
