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

local _M = {}

local target, headers, instance
local is_running = false

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
