-- Micro-batching: requests that arrive while a node works on the last call go out together (DESIGN §4.5).
--
-- A lane holds the waiting requests of one (item, shard, epoch). Each node has one pump, a timer
-- handler: it takes what waits in all lanes of its node, sends it, reads the replies, wakes the requests,
-- and starts again. No timer adds delay; under load the batch grows with the time the node needs, which is
-- what makes an fsync a batch cheap. Nothing is shared between nodes, so one that hangs holds up its own
-- requests only.
--
-- What a node is, a Redis or the control plane, only its lanes know: redis_lane.lua, database_lane.lua.

local lease = require "gateway.lease"
local metrics = require "gateway.metrics"
local new_table = require "table.new"
local semaphore = require "ngx.semaphore"

local ngx = ngx
local sub = string.sub

-- A timer handler's memory is freed only when it ends, so a pump hands over to a new one now and then.
local ROUNDS_PER_PUMP = 2000
local IDLE_WAIT_S = 1
local IDLE_ROUNDS = 10

local _M = {}

local queue_max, timeout_s
-- Requests that are over and whose semaphore has no post left, for the next ones: a table and a semaphore
-- fewer to make and to throw away each time. Not more than wait at once on a usual day: the worst moment of a
-- flood must not stay in memory.
local SPARE_MAX = 1000
local spare, spare_count = {}, 0

--- config: gateway.config's table. Called once in each worker.
function _M.configure(config)
  queue_max, timeout_s = config.queue_max, config.reserve_timeout_ms / 1000
end

--- A node that lanes lead to. fields: its own, and these methods:
-- prepare() → true, or nil and the error: opens the connection; nothing is sent that takes a unit.
-- exchange(batches): sends them and finishes every request of every batch. rest(): gives the connection up.
-- needs_lease: whether it may be asked only while the lease holds; errors: its family of metrics; breaker:
-- gateway.breaker's, told by exchange() what became of it.
function _M.node(fields)
  fields.lanes, fields.held, fields.wake = {}, 0, semaphore.new()
  return fields
end

--- A lane. fields: its own, `batch_max`, and the method node() → its node now, or nil; it may wait.
function _M.lane(fields)
  fields.waiting, fields.waiting_count = {}, 0
  fields.listed = nil -- the node that has it in its list of lanes with something to send
  return fields
end

--- Tell a request its verdict; wakes it.
function _M.finish(request, verdict, qty)
  request.state, request.verdict, request.qty = "done", verdict, qty
  request.node.held = request.node.held - 1
  request.semaphore:post()
end
local finish = _M.finish

--- The same verdict to all.
function _M.finish_all(requests, verdict)
  for i = 1, #requests do
    finish(requests[i], verdict)
  end
end
local finish_all = _M.finish_all

--- Finish a batch as reserve.lua answers: a code a request, and the stored quantities of the A's.
-- An answer that does not fit the batch says nothing about it: unknown.
function _M.finish_with_codes(requests, codes, again)
  metrics.count_batch(#requests)
  if type(codes) ~= "string" or #codes ~= #requests or type(again) ~= "string" then
    ngx.log(ngx.ERR, "the answer to a reserve call cannot be read")
    return finish_all(requests, "unknown")
  end
  local next_again = string.gmatch(again, "%d+")
  for i = 1, #requests do
    local code, qty = sub(codes, i, i), nil
    if code == "A" then
      qty = tonumber(next_again() or nil)
      code = qty and code or "unknown"
    end
    finish(requests[i], code, qty)
  end
end

local run_pump

-- False when nginx has no timer left: nothing must wait for a pump that does not run.
local function start_pump(node)
  if not node.pump then
    local ok, err = ngx.timer.at(0, run_pump, node)
    if not ok then
      ngx.log(ngx.ERR, "batch pump for ", node.address, ": ", err)
      return false
    end
    node.pump = "running"
  elseif node.pump == "idle" then
    node.pump = "running"
    node.wake:post()
  end
  return true
end

-- False when the lane was dropped meanwhile, or nobody would send it.
local function enqueue(node, lane, request)
  if lane.dropped or not start_pump(node) then
    return false
  end
  request.state, request.node = "queued", node
  local count = lane.waiting_count + 1
  lane.waiting[count], lane.waiting_count = request, count
  if lane.listed ~= node then -- in nobody's list, or in that of the node that had the slot before
    lane.listed = node
    node.lanes[#node.lanes + 1] = lane
  end
  node.held = node.held + 1
  return true
end

--- Send requests that ran nowhere to the node that their lane leads to now, each once.
function _M.send_elsewhere(lane, requests)
  local node = lane:node()
  for i = 1, #requests do
    local request = requests[i]
    local old = request.node
    if request.moved or not node or not enqueue(node, lane, request) then
      finish(request, "refused")
    else
      old.held, request.moved = old.held - 1, true
    end
  end
end

-- Requests whose wait ended while they were queued were told `busy`; they must never be sent.
local function take_requests(lane)
  local waiting, count = lane.waiting, lane.waiting_count
  local batch, taken = new_table(math.min(count, lane.batch_max), 0), 0
  -- As many as came meanwhile will be about as many the next time.
  local rest, left = new_table(count, 0), 0
  for i = 1, count do
    local request = waiting[i]
    if request.state == "queued" then
      if taken < lane.batch_max then
        taken = taken + 1
        request.state, batch[taken] = "sent", request
      else
        left = left + 1
        rest[left] = request
      end
    end
  end
  lane.waiting, lane.waiting_count = rest, left
  return batch, taken
end

local function take_batches(node)
  local lanes, batches = node.lanes, {}
  node.lanes = {}
  for i = 1, #lanes do
    local lane = lanes[i]
    if lane.listed == node then
      local requests, count = take_requests(lane)
      if lane.waiting_count > 0 then
        node.lanes[#node.lanes + 1] = lane
      else
        lane.listed = nil
      end
      if count > 0 then
        batches[#batches + 1] = { lane = lane, requests = requests }
      end
    end
  end
  return batches
end

local function refuse_batches(batches)
  for i = 1, #batches do
    finish_all(batches[i].requests, "refused")
  end
end

local function round(node)
  if node.breaker:is_open() then
    return refuse_batches(take_batches(node)) -- came before it opened
  end
  local ready, err = node:prepare()
  -- Taken only now, because a request that was taken may have been sent: what times out while we
  -- connect is refused, not unknown. And the lease is looked at last: between it and the sending
  -- nothing waits.
  local batches = take_batches(node)
  if not ready then
    node.breaker:failed()
    metrics.count(node.errors, "unreachable")
    ngx.log(ngx.WARN, "cannot reach ", node.address, ": ", err)
    refuse_batches(batches)
  elseif node.needs_lease and lease.is_over() then
    metrics.count(node.errors, "without_lease")
    refuse_batches(batches)
  elseif #batches > 0 then
    node.in_flight = batches
    local began = ngx.now()
    node:exchange(batches)
    node.in_flight = nil
    metrics.exchange(ngx.now() - began)
  end
end

local function pump(node)
  local idle = 0
  for _ = 1, ROUNDS_PER_PUMP do
    if #node.lanes > 0 then
      idle = 0
      round(node)
    else
      node.pump = "idle"
      local woken = node.wake:wait(IDLE_WAIT_S)
      node.pump = "running"
      if not woken then
        -- A pool notices when Redis hangs up; we would write into the dead connection.
        node:rest()
      end
      idle = idle + 1
      if #node.lanes == 0 and (idle >= IDLE_ROUNDS or ngx.worker.exiting()) then
        break
      end
    end
  end
  node:rest()
end

-- After a fault of ours: what was sent may have been taken.
local function abandon_in_flight(node)
  for _, batch in ipairs(node.in_flight or {}) do
    for _, request in ipairs(batch.requests) do
      if request.state == "sent" then
        finish(request, "unknown")
      end
    end
  end
  node.in_flight = nil
end

function run_pump(premature, node)
  local ok, err = true, nil
  if not premature then
    ok, err = pcall(pump, node)
  end
  if not ok then
    ngx.log(ngx.ERR, "batch pump for ", node.address, ": ", err)
    node.sock = nil -- closed with this handler, whatever is unread on it
    abandon_in_flight(node)
  end
  node.pump = nil
  if #node.lanes > 0 and not premature then
    start_pump(node)
  end
end

--- No request goes through this lane any more: its epoch is over. Those that were not sent are told so;
-- those that were, hear what their node answers.
function _M.drop(lane)
  lane.dropped = true
  for i = 1, lane.waiting_count do
    local request = lane.waiting[i]
    if request.state == "queued" then
      finish(request, "refused")
    end
  end
  lane.waiting, lane.waiting_count = {}, 0
end

local function request_for(wish, node)
  local request
  if spare_count > 0 then
    request, spare_count = spare[spare_count], spare_count - 1
  else
    -- Every field from the start: a table that grows is made anew each time.
    request = {
      wish = false, semaphore = semaphore.new(), state = "", node = false, moved = false, verdict = false,
      qty = false,
    }
  end
  -- state: then sent, then done; or gone, when nobody waits for it any more.
  request.wish, request.state, request.node, request.moved = wish, "queued", node, false
  return request
end

--- Reserve through a lane; waits for the answer. wish: what the lane sends for it, not to be changed as long
-- as the lane may send it, which can be after this returned.
-- Returns verdict, qty: a code byte of reserve.lua (qty with A only), or "refused" / "fenced" / "broken"
-- (not taken), or "unknown" (perhaps taken), or "full" (queue full or not sent in time: not taken).
function _M.reserve(lane, wish)
  local node = lane:node()
  if not node then
    return "refused"
  end
  if not node.breaker:admits() then
    metrics.count(node.errors, "left_alone")
    return "refused"
  end
  -- A node's own limit: what waits for one that hangs must not use up the places of the others.
  if node.held >= queue_max then
    return "full"
  end
  local request = request_for(wish, node)
  if not enqueue(node, lane, request) then
    return "refused"
  end
  local woken = request.semaphore:wait(timeout_s)
  if request.state == "done" then
    local verdict, qty = request.verdict, request.qty or nil
    if woken and spare_count < SPARE_MAX then -- not woken: a post is still in it
      spare_count = spare_count + 1
      spare[spare_count], request.wish = request, false
    end
    return verdict, qty
  end
  if request.state == "queued" then
    request.state = "gone"
    request.node.held = request.node.held - 1
    return "full"
  end
  return "unknown" -- sent; the pump will still finish it, nobody listens
end

return _M
