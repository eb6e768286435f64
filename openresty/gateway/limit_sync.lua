-- The same limits over all gateways: what each admitted is added up in the work Redis, beside the requests.
--
-- Every SYNC_S a worker sends what it admitted since, for keys that were here lately, and raises its own
-- TATs to what all gateways together have made of them. Admissions that cross in that time are a debt
-- that stays in the TAT: over some seconds the rate is exact. Without the work Redis each gateway limits
-- for itself; nothing waits for it.
--
-- A single visit is not reported. The first report of a key by a gateway therefore brings all that it
-- owes here, so that only a client that visits each gateway once goes uncounted.

local breaker = require "gateway.breaker"
local metrics = require "gateway.metrics"
local rate_limit = require "gateway.rate_limit"
local work_redis = require "gateway.work_redis"

local ngx = ngx

local SYNC_S = 0.05
local TIMEOUT_MS = 200
-- Keys of one call: the script takes 2 µs for each, and others use this Redis too.
local CALL_MAX = 500
-- As long as rate_limit.lua thinks a key was here lately.
local KNOWN_S = rate_limit.LATELY_MS / 1000
local PREFIX = "sluice:limits:"
-- Redis answers with whole numbers.
local US_PER_MS = 1000

local _M = {}

local script, sha
local upstream
local is_running = false

local function reported() return ngx.shared.sluice_limits_reported end

local function evaluate(client, keys, charges)
  local arguments = { #keys }
  for i = 1, #keys do
    arguments[#arguments + 1] = keys[i]
  end
  for i = 1, #charges do
    arguments[#arguments + 1] = charges[i]
  end
  local leads, err = client:evalsha(sha, unpack(arguments))
  if not leads and string.find(err, "^NOSCRIPT") then
    leads, err = client:eval(script, unpack(arguments))
  end
  return leads, err
end

-- One call for up to CALL_MAX keys. Returns true, or nil and the error.
local function send(client, batch)
  local names, charges, now_ms = {}, {}, ngx.now() * 1000
  for i, one in ipairs(batch) do
    names[i] = PREFIX .. one.dimension .. ":" .. one.key
    local charge_ms = one.charge_ms
    if reported():add(names[i], true, KNOWN_S) then
      charge_ms = math.max(charge_ms, rate_limit.ahead_ms(one.dimension, one.key, now_ms))
    else
      reported():set(names[i], true, KNOWN_S)
    end
    charges[i] = string.format("%.3f", charge_ms)
  end
  local leads, err = evaluate(client, names, charges)
  if not leads then
    return nil, err
  end
  ngx.update_time()
  now_ms = ngx.now() * 1000
  for i, one in ipairs(batch) do
    rate_limit.catch_up(one.dimension, one.key, leads[i] / US_PER_MS, now_ms)
  end
  metrics.count("limit_reports", "sent")
  return true
end

local function take()
  local batches, batch = {}, nil
  for _, dimension in ipairs(rate_limit.DIMENSIONS) do
    for key, charge_ms in pairs(rate_limit.take(dimension) or {}) do
      if not batch or #batch >= CALL_MAX then
        batch = {}
        batches[#batches + 1] = batch
      end
      batch[#batch + 1] = { dimension = dimension, key = key, charge_ms = charge_ms }
    end
  end
  return batches
end

local function send_all(batches)
  local client, err = work_redis.connect(TIMEOUT_MS)
  if not client then
    return nil, err
  end
  for _, batch in ipairs(batches) do
    local ok
    ok, err = send(client, batch)
    if not ok then
      client:close()
      return nil, err
    end
  end
  work_redis.keep(client)
  return true
end

-- What cannot be reported is forgotten: it is local to this gateway then.
local function sync(premature)
  if premature or is_running then
    return
  end
  local batches = take()
  if #batches == 0 then
    return
  end
  if not upstream:admits() then
    metrics.count("limit_reports", "unsent")
    return
  end
  is_running = true
  local ran, ok, err = pcall(send_all, batches)
  is_running = false
  if ran and ok then
    return upstream:succeeded()
  end
  metrics.count("limit_reports", "failed")
  if upstream.state == "closed" then
    ngx.log(ngx.WARN, "limits of other gateways: ", ran and err or ok)
  end
  upstream:failed()
end

--- Start this worker's reports. config: gateway.config's table; its limits_script is lua/charge_limits.lua.
function _M.start(config)
  script = config.limits_script
  sha = config.limits_script_sha
  upstream = breaker.new("work-redis limits")
  local ok, err = ngx.timer.every(SYNC_S, sync)
  if not ok then
    error("limit reports: " .. err)
  end
end

return _M
