-- The way to one shard in a stock Redis: one EVALSHA of its reserve script a batch, all lanes of a node in
-- one pipeline on one connection. The queue's lanes (queue/) use the same nodes with calls of their own.

local batch = require "gateway.batch"
local byte_buffer = require "gateway.byte_buffer"
local redis_cluster = require "gateway.redis_cluster"
local metrics = require "gateway.metrics"
local redis_error = require "gateway.redis_error"
local reserve_line = require "gateway.reserve_line"
local resp = require "gateway.resp"

local ngx = ngx
local arg = resp.arg

local ARGS_BEFORE = 7
local NOBODY = {}

local lines = byte_buffer.new(65536)

local Node, Lane = {}, {}
Node.__index, Lane.__index = Node, Lane

local _M = {}

local function encode(batches)
  local parts = {}
  for i = 1, #batches do
    batches[i].lane:encode(parts, batches[i].requests)
  end
  return parts
end

function Lane:encode(parts, requests)
  parts[#parts + 1] = "*" .. (ARGS_BEFORE + #requests) .. "\r\n"
  parts[#parts + 1] = self.call
  lines:clear()
  for j = 1, #requests do
    reserve_line.write(lines, requests[j].wish, #requests)
  end
  parts[#parts + 1] = lines:text()
end

--- reply: what the script returned, never an error.
function Lane.finish(_, requests, reply)
  local codes, again = nil, nil
  if type(reply) == "table" then
    codes, again = reply[1], reply[2]
  end
  batch.finish_with_codes(requests, codes, again)
end

function Node:prepare()
  if self.sock then
    return true
  end
  local sock, err = self.cluster:connect(self.address)
  if not sock then
    self.cluster:refresh() -- it may have been replaced
    return nil, err
  end
  self.sock = sock
  return true
end

local function finish_with_error(node, one, reply)
  local verdict, map_may_be_old = redis_error.verdict(reply)
  metrics.count(node.errors, verdict)
  if verdict == "moved" then
    -- It ran nothing, so the requests may go to the right node.
    node.cluster:learn_moved(reply, node.address)
    return batch.send_elsewhere(one.lane, one.requests)
  end
  if map_may_be_old then
    node.cluster:refresh()
  end
  if verdict == "broken" or verdict == "unknown" then
    ngx.log(ngx.ERR, node.kind, " call on ", node.address, ": ", reply)
  end
  batch.finish_all(one.requests, verdict)
end

function Node:exchange(batches)
  local sock = self.sock
  local sent, err = sock:send(encode(batches))
  for i = 1, #batches do
    local one, reply, where = batches[i], nil, "socket"
    if sent then
      reply, err, where = resp.read(sock)
    end
    if reply ~= nil then
      one.lane:finish(one.requests, reply)
    elseif where == "reply" then
      finish_with_error(self, one, err)
    else
      -- Sent, or perhaps sent, and not answered: nobody knows. The rest of the pipeline likewise.
      sent = nil
      metrics.count(self.errors, "unanswered")
      batch.finish_all(one.requests, "unknown")
    end
    -- By the time that the next reply comes, their tables may be those of other purchases.
    one.requests = NOBODY
  end
  if sent then
    self.breaker:succeeded()
  else
    self.breaker:failed()
    ngx.log(ngx.WARN, "no answer from ", self.address, ": ", err)
    sock:close()
    self.sock = nil
    self.cluster:refresh() -- it may have been replaced
  end
end

function Node:rest()
  if self.sock then
    redis_cluster.keep(self.sock)
    self.sock = nil
  end
end

--- The node that owns a slot now, or nil; it may wait. kind: "reserve" or "queue", each with a connection
-- and a limit of its own, so that who waits for a number takes no place from who buys.
function _M.node_of(cluster, slot, kind)
  local address = cluster:address_of(slot)
  if not address then
    return nil
  end
  local key = kind == "reserve" and address or kind .. " " .. address
  local node = cluster.nodes[key]
  if not node then
    local is_reserve = kind == "reserve"
    node = batch.node(setmetatable({
      cluster = cluster,
      address = address,
      breaker = cluster:breaker(address),
      kind = kind,
      needs_lease = is_reserve, -- a number sells nothing
      errors = is_reserve and "redis_errors" or "queue_errors",
    }, Node))
    cluster.nodes[key] = node
  end
  if node.breaker:is_open() then
    cluster:refresh() -- its slots may have another owner by now
  end
  return node
end

function Lane:node()
  return _M.node_of(self.cluster, self.slot, "reserve")
end

--- A lane for one armed shard. cluster: of redis_cluster; tag: "{i7:s00:e1}"; sha: of its reserve script.
function _M.new(cluster, tag, sha, batch_max)
  return batch.lane(setmetatable({
    cluster = cluster,
    batch_max = batch_max,
    slot = redis_cluster.slot_of(tag),
    call = arg("EVALSHA") .. arg(sha) .. arg(4) .. arg(tag .. ":ctl") .. arg(tag .. ":avail")
      .. arg(tag .. ":buyers") .. arg(tag .. ":outbox"),
  }, Lane))
end

return _M
