-- gateway.batch: whose a request's table is, since it is used again.

local semaphore = {}
semaphore.__index = semaphore

function semaphore.new() return setmetatable({ posts = 0 }, semaphore) end

function semaphore:post() self.posts = self.posts + 1 end

-- As nginx: who waits goes on when somebody posts or the time is over, which the specs say.
function semaphore:wait()
  local is_over = coroutine.yield(self)
  if is_over == "over" or self.posts == 0 then
    return false, "timeout"
  end
  self.posts = self.posts - 1
  return true
end

require("ngx.semaphore").new = semaphore.new
package.loaded["gateway.metrics"] = { count = function() end, count_batch = function() end }
package.loaded["gateway.batch"] = nil
local batch = require "gateway.batch"

local node, lane, sent

before_each(function()
  batch.configure({ queue_max = 100, reserve_timeout_ms = 1000 })
  node = batch.node({ errors = "redis_errors", breaker = { admits = function() return true end } })
  node.pump = "running" -- the specs send
  lane = batch.lane({ batch_max = 10, node = function() return node end })
  sent = {}
end)

-- A purchase up to where it waits.
local function begin(wish)
  local thread = coroutine.create(function() return batch.reserve(lane, wish) end)
  assert(coroutine.resume(thread))
  return thread
end

local function go_on(thread, how)
  local ok, verdict, qty = coroutine.resume(thread, how)
  assert(ok, verdict)
  return verdict, qty
end

-- What the pump does: take all that waits.
local function take()
  local taken = {}
  for i = 1, lane.waiting_count do
    local request = lane.waiting[i]
    if request.state == "queued" then
      request.state = "sent"
      taken[#taken + 1] = request
    end
  end
  lane.waiting, lane.waiting_count = {}, 0
  sent = taken
  return taken
end

it("tells each purchase its own verdict, table used again or not", function()
  for number = 1, 3 do
    local ann, bob = begin("ann" .. number), begin("bob" .. number)
    take()
    assert.same({ "ann" .. number, "bob" .. number }, { sent[1].wish, sent[2].wish })
    batch.finish_with_codes(sent, "AS", "2")
    assert.same({ "A", 2 }, { go_on(ann) })
    assert.same({ "S", nil }, { go_on(bob) })
    assert.equal(0, node.held)
  end
end)

it("takes the table of a purchase that is over, with no post left in it", function()
  local ann = begin("ann")
  local first = take()[1]
  batch.finish(first, "R")
  assert.equal("R", go_on(ann))
  begin("bob")
  assert.equal(first, take()[1])
  assert.equal(0, first.semaphore.posts)
  assert.is_false(first.moved)
end)

it("leaves a table alone whose verdict came together with the end of the wait", function()
  local ann = begin("ann")
  local first = take()[1]
  batch.finish(first, "R")
  assert.equal("R", go_on(ann, "over")) -- a post is still in it
  begin("bob")
  assert.is_not.equal(first, take()[1])
end)

it("leaves a table alone that the pump may still finish", function()
  local ann = begin("ann")
  local first = take()[1]
  assert.equal("unknown", go_on(ann, "over"))
  begin("bob")
  assert.is_not.equal(first, take()[1])
  batch.finish(first, "R")
  assert.equal(1, node.held) -- bob's
end)

it("sends nothing of a purchase that was told to come again, and leaves its table alone", function()
  local ann = begin("ann")
  local first = lane.waiting[1]
  assert.equal("full", go_on(ann, "over"))
  begin("bob")
  assert.is_not.equal(first, lane.waiting[2])
  assert.same({ "bob" }, { take()[1].wish, sent[2] })
  assert.equal(1, node.held)
end)
