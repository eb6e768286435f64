-- Micro-batching: requests that arrive while a node works on the last call go out together (DESIGN §4.5).
--
-- A lane holds the waiting requests of one (item, shard, epoch). Each node has one pump, a timer
-- handler with one connection: it takes what waits in all lanes of its node, one script call a lane,
-- pipelined, reads the replies, wakes the requests, and starts again. No timer adds delay; under load the
-- batch grows with the time Redis needs, which is what makes an fsync a batch cheap.

local cluster = require "gateway.redis_cluster"
local metrics = require "gateway.metrics"
local redis_error = require "gateway.redis_error"
local resp = require "gateway.resp"
local semaphore = require "ngx.semaphore"

local ngx = ngx
local sub = string.sub
local arg = resp.arg

-- A timer handler's memory is freed only when it ends, so a pump hands over to a new one now and then.
local ROUNDS_PER_PUMP = 2000
local IDLE_WAIT_S = 1
local IDLE_ROUNDS = 10

local _M = {}

local batch_max, queue_max, timeout_s
local nodes = {} -- address → node
local waiting_total = 0
local idle_semaphores = {}

--- config: gateway.config's table. Called once in each worker.
function _M.configure(config)
  batch_max, queue_max = config.batch_max, config.queue_max
  timeout_s = config.reserve_timeout_ms / 1000
end

--- A lane for one armed shard. tag: "{i7:s00:e1}"; sha: of its reserve script.
function _M.lane(tag, sha)
  return {
    slot = cluster.slot_of(tag),
    call = arg("EVALSHA") .. arg(sha) .. arg(4) .. arg(tag .. ":ctl") .. arg(tag .. ":avail")
      .. arg(tag .. ":buyers") .. arg(tag .. ":outbox"),
    waiting = {},
    listed = nil, -- the node that has it in its list of lanes with something to send
  }
end

local function finish(request, verdict, qty)
  request.state, request.verdict, request.qty = "done", verdict, qty
  waiting_total = waiting_total - 1
  request.semaphore:post()
end

local function finish_all(requests, verdict)
  for i = 1, #requests do
    finish(requests[i], verdict)
  end
end

local run_pump

local function enqueue(node, lane, request)
  request.state = "queued"
  lane.waiting[#lane.waiting + 1] = request
  if lane.listed ~= node then -- in nobody's list, or in that of the node that had the slot before
    lane.listed = node
    node.lanes[#node.lanes + 1] = lane
  end
  if not node.pump then
    node.pump = "running"
    local ok, err = ngx.timer.at(0, run_pump, node)
    if not ok then
      node.pump = nil
      return nil, err
    end
  elseif node.pump == "idle" then
    node.pump = "running"
    node.wake:post()
  end
  return true
end

local function node_of(slot)
  local address = cluster.address_of(slot)
  if not address then
    return nil
  end
  local node = nodes[address]
  if not node then
    node = { address = address, lanes = {}, wake = semaphore.new() }
    nodes[address] = node
  end
  return node
end

-- Requests whose wait ended while they were queued were told `busy`; they must never be sent.
local function take_requests(lane)
  local waiting, batch, rest = lane.waiting, {}, {}
  for i = 1, #waiting do
    local request = waiting[i]
    if request.state == "queued" then
      if #batch < batch_max then
        request.state = "sent"
        batch[#batch + 1] = request
      else
        rest[#rest + 1] = request
      end
    end
  end
  lane.waiting = rest
  return batch
end

local function take_batches(node)
  local lanes, batches = node.lanes, {}
  node.lanes = {}
  for i = 1, #lanes do
    local lane = lanes[i]
    if lane.listed == node then
      local requests = take_requests(lane)
      if #lane.waiting > 0 then
        node.lanes[#node.lanes + 1] = lane
      else
        lane.listed = nil
      end
      if #requests > 0 then
        batches[#batches + 1] = { lane = lane, requests = requests }
      end
    end
  end
  return batches
end

local function encode(batches)
  local parts = {}
  for i = 1, #batches do
    local requests = batches[i].requests
    parts[#parts + 1] = "*" .. (8 + 4 * #requests) .. "\r\n"
    parts[#parts + 1] = batches[i].lane.call
    parts[#parts + 1] = arg(#requests)
    for j = 1, #requests do
      parts[#parts + 1] = requests[j].arguments
    end
  end
  return parts
end

local function finish_with_codes(requests, reply)
  local codes, again = "", nil
  if type(reply) == "table" then
    codes, again = reply[1], reply[2]
  end
  if type(codes) ~= "string" or #codes ~= #requests or type(again) ~= "string" then
    ngx.log(ngx.ERR, "the reserve script's reply cannot be read")
    return finish_all(requests, "unknown")
  end
  local next_again = string.gmatch(again, "%d+")
  for i = 1, #requests do
    local code = sub(codes, i, i)
    finish(requests[i], code, code == "A" and tonumber(next_again()) or nil)
  end
end

-- MOVED ran nothing, so the requests may go to the right node, once: a second MOVED is `busy`.
local function send_elsewhere(batch, reply, address)
  cluster.learn_moved(reply, address)
  local node = node_of(batch.lane.slot)
  for _, request in ipairs(batch.requests) do
    if request.moved or not node or not enqueue(node, batch.lane, request) then
      finish(request, "refused")
    end
    request.moved = true
  end
end

local function finish_with_error(batch, reply, address)
  local verdict = redis_error.verdict(reply)
  metrics.count("redis_errors", verdict)
  if verdict == "moved" then
    return send_elsewhere(batch, reply, address)
  end
  if verdict == "broken" or verdict == "unknown" then
    ngx.log(ngx.ERR, "reserve call on ", address, ": ", reply)
  end
  finish_all(batch.requests, verdict)
end

-- Returns the socket while it is usable, nil when it had to be closed.
local function exchange(node, sock, batches)
  local sent, err = sock:send(encode(batches))
  for i = 1, #batches do
    local batch, reply, where = batches[i], nil, "socket"
    if sent then
      reply, err, where = resp.read(sock)
    end
    if reply ~= nil then
      metrics.count_batch(#batch.requests)
      finish_with_codes(batch.requests, reply)
    elseif where == "reply" then
      finish_with_error(batch, err, node.address)
    else
      -- Sent, or perhaps sent, and not answered: nobody knows. The rest of the pipeline likewise.
      sent = nil
      metrics.count("redis_errors", "unanswered")
      finish_all(batch.requests, "unknown")
    end
  end
  if not sent then
    ngx.log(ngx.WARN, "no answer from ", node.address, ": ", err)
    sock:close()
    return nil
  end
  return sock
end

local function refuse_batches(batches, verdict)
  for i = 1, #batches do
    finish_all(batches[i].requests, verdict)
  end
end

local function pump(node)
  local sock, err, idle = nil, nil, 0
  for _ = 1, ROUNDS_PER_PUMP do
    if #node.lanes > 0 then
      idle = 0
      if not sock then
        sock, err = cluster.connect(node.address)
      end
      -- Taken only now, because a request that was taken may have been sent: what times out while we
      -- connect is refused, not unknown.
      local batches = take_batches(node)
      if not sock then
        metrics.count("redis_errors", "unreachable")
        ngx.log(ngx.WARN, "cannot reach ", node.address, ": ", err)
        refuse_batches(batches, "refused")
        cluster.refresh()
      elseif #batches > 0 then
        node.in_flight = batches
        sock = exchange(node, sock, batches)
        node.in_flight = nil
      end
    else
      node.pump = "idle"
      local woken = node.wake:wait(IDLE_WAIT_S)
      node.pump = "running"
      if not woken and sock then
        -- The pool notices when Redis hangs up; we would write into the dead connection.
        cluster.keep(sock)
        sock = nil
      end
      idle = idle + 1
      if #node.lanes == 0 and (idle >= IDLE_ROUNDS or ngx.worker.exiting()) then
        break
      end
    end
  end
  if sock then
    cluster.keep(sock)
  end
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
    abandon_in_flight(node)
  end
  node.pump = nil
  if #node.lanes > 0 and not premature then
    node.pump = "running"
    if not ngx.timer.at(0, run_pump, node) then
      node.pump = nil
    end
  end
end

--- Reserve through the lane's shard; waits for the answer.
-- arguments: the request's four script arguments, encoded (see encode_arguments).
-- Returns verdict, qty: a code byte of reserve.lua (qty with A only), or "refused" / "fenced" / "broken"
-- (not taken), or "unknown" (perhaps taken), or "full" (queue full or not sent in time: not taken).
function _M.reserve(lane, arguments)
  if waiting_total >= queue_max then
    return "full"
  end
  local node = node_of(lane.slot)
  if not node then
    return "refused"
  end
  local request = {
    arguments = arguments,
    semaphore = table.remove(idle_semaphores) or semaphore.new(),
  }
  waiting_total = waiting_total + 1
  if not enqueue(node, lane, request) then
    request.state = "gone"
    waiting_total = waiting_total - 1
    return "refused"
  end
  local woken = request.semaphore:wait(timeout_s)
  if request.state == "done" then
    if woken then -- otherwise a post is still in it
      idle_semaphores[#idle_semaphores + 1] = request.semaphore
    end
    return request.verdict, request.qty
  end
  if request.state == "queued" then
    request.state = "gone"
    waiting_total = waiting_total - 1
    return "full"
  end
  return "unknown" -- sent; the pump will still finish it, nobody listens
end

--- Encode one request's arguments in the order of reserve.lua.
function _M.encode_arguments(shopper, reservation_id, qty, intent)
  return arg(shopper) .. arg(reservation_id) .. arg(qty) .. arg(intent)
end

return _M
