-- The way to one shard while PostgreSQL itself is the stock source: the control plane reserves (DESIGN §5).
--
-- One POST at a time in each worker and lane; what waits meanwhile goes with the next one. The control
-- plane answers with the codes of reserve.lua, or with a status that says whether anything can have been
-- taken.

local batch = require "gateway.batch"
local breaker = require "gateway.breaker"
local cjson = require "cjson.safe"
local http = require "gateway.http"
local metrics = require "gateway.metrics"
local reserve_line = require "gateway.reserve_line"

local ngx = ngx

local PATH = "/internal/reserve"
local BATCH_MAX = 256 -- the control plane refuses more

-- What each status means. Every other one, 500 above all, is unknown: the transaction may have committed.
local VERDICTS = {
  [409] = "fenced", -- not a selling epoch of the database
  [503] = "refused", -- too many at once: refused before the transaction
  -- Refused before the transaction too, but our own fault, logged.
  [400] = "broken",
  [401] = "broken",
  [403] = "broken",
  [404] = "broken",
  [405] = "broken",
  [413] = "broken",
}

local Node, Lane = {}, {}
Node.__index, Lane.__index = Node, Lane

local _M = {}

local upstream -- of all lanes: behind each is the same control plane

function Node:prepare()
  local err
  if not self.sock then
    self.sock, err = http.connect(self.target, self.timeout_ms)
  end
  return self.sock and true, err
end

local function body_of(lane, requests)
  local lines = {}
  for i = 1, #requests do
    local wish = requests[i].wish
    if wish.trace then
      wish.trace:sent(#requests)
    end
    lines[i] = reserve_line.text(wish) -- none has anything that JSON would escape
  end
  return lane.body_start .. table.concat(lines, '","') .. '"]}'
end

local function finish_with_status(requests, status, body)
  local reply = status == 200 and cjson.decode(body)
  if type(reply) == "table" then
    return batch.finish_with_codes(requests, reply.codes, reply.again)
  end
  local verdict = VERDICTS[status] or "unknown"
  metrics.count("database_errors", verdict)
  if verdict == "broken" or verdict == "unknown" then
    ngx.log(ngx.ERR, PATH, ": ", status or "no answer", " ", string.sub(body, 1, 200))
  end
  batch.finish_all(requests, verdict)
end

-- One lane a node, so there is one batch.
function Node:exchange(batches)
  local sock, one = self.sock, batches[1]
  self.sock = nil
  local status, body = http.exchange(
    sock, "POST", self.target, PATH, self.headers, body_of(one.lane, one.requests))
  if status then
    self.breaker:succeeded()
  else
    self.breaker:failed()
  end
  finish_with_status(one.requests, status, body)
end

-- Connected but nobody was left to ask for.
function Node:rest()
  if self.sock then
    self.sock:close()
    self.sock = nil
  end
end

function Lane:node()
  return self.only_node
end

--- A lane for one epoch of the database. config: gateway.config's table.
function _M.new(config, item, shard, epoch)
  local target = config.control_plane
  upstream = upstream or breaker.new("control-plane reserve")
  return batch.lane(setmetatable({
    batch_max = math.min(BATCH_MAX, config.batch_max),
    body_start = '{"item":' .. item .. ',"shard":' .. shard .. ',"epoch":' .. epoch
      .. ',"lines":["',
    only_node = batch.node(setmetatable({
      address = target.host .. ":" .. target.port,
      target = target,
      timeout_ms = config.reserve_timeout_ms,
      headers = {
        Authorization = "Bearer " .. config.internal_token,
        ["Content-Type"] = "application/json",
      },
      breaker = upstream,
      needs_lease = false, -- the transaction itself looks whether the epoch sells
      errors = "database_errors",
    }, Node)),
  }, Lane))
end

return _M
