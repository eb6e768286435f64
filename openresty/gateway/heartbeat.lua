-- Tells the control plane once a second which snapshot each worker runs. Nothing depends on it here: when
-- the control plane is away, nobody hears it.

local cjson = require "cjson.safe"
local http = require "gateway.http"
local metrics = require "gateway.metrics"
local workers = require "gateway.workers"

local ngx = ngx

local EVERY_S = 1
local TIMEOUT_MS = 1000
local PATH = "/internal/heartbeat"
-- What rules matched goes along with every tenth: totals, so that a lost one is made up for.
local RISK_EVERY = 10
-- 25 bytes each: the control plane reads 64 KB at most.
local MATCHES_MAX = 1500

local _M = {}

local target, headers, instance
local is_running = false
local beats = 0

-- An empty list would be encoded as an object.
local function risk()
  local totals = metrics.risk_totals(MATCHES_MAX)
  return { compared = totals.compared, matches = #totals.matches > 0 and totals.matches or nil }
end

-- Nil before the first snapshot: there is nothing to say.
local function body()
  local list = {}
  for i, one in ipairs(workers.list()) do
    list[i] = { id = one.worker, version = one.version, applied_at_ms = one.applied_at_ms }
  end
  return #list > 0 and cjson.encode({
    instance = instance,
    kind = "gateway",
    workers = list,
    at_ms = math.floor(ngx.now() * 1000),
    risk = beats % RISK_EVERY == 0 and risk() or nil,
  })
end

local function post()
  local text = body()
  if not text then
    return nil
  end
  local sock = http.connect(target, TIMEOUT_MS)
  if not sock then
    return nil
  end
  return http.exchange(sock, "POST", target, PATH, headers, text)
end

local function beat(premature)
  if premature or is_running then
    return
  end
  is_running = true
  beats = beats + 1
  local ran, status = pcall(post)
  is_running = false
  metrics.count("heartbeats", ran and status == 204 and "taken" or "lost")
end

--- Start the heartbeat, in worker 0. config: gateway.config's table.
function _M.start(config)
  if ngx.worker.id() ~= 0 then
    return
  end
  target, instance = config.control_plane, config.instance
  headers = {
    Authorization = "Bearer " .. config.internal_token,
    ["Content-Type"] = "application/json",
  }
  local ok, err = ngx.timer.every(EVERY_S, beat)
  if not ok then
    error("heartbeat: " .. err)
  end
end

return _M
