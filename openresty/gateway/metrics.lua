-- Counters. Each worker counts in its own memory and adds to the shared ones once a second, because a
-- shared-memory lock a request would be among the dearest parts of a refusal.

local ngx = ngx

local FLUSH_S = 1

local HELP = {
  buys = { "sluice_gateway_buys_total", "outcome", "Buy requests by outcome." },
  redis_errors = { "sluice_gateway_redis_errors_total", "verdict", "Reserve calls without a result." },
  batches = { "sluice_gateway_batches_total", nil, "Reserve script calls answered." },
  batched_requests = { "sluice_gateway_batched_requests_total", nil, "Requests in those calls." },
}

local _M = {}

local pending = {} -- "family|label" → increment
local batches, batched_requests = 0, 0

--- Count one event of a family with one label value.
function _M.count(family, label)
  local key = family .. "|" .. label
  pending[key] = (pending[key] or 0) + 1
end

--- Count one answered script call of `size` requests.
function _M.count_batch(size)
  batches, batched_requests = batches + 1, batched_requests + size
end

local function flush()
  local shared = ngx.shared.sluice_metrics
  if batches > 0 then
    pending["batches|"], pending["batched_requests|"] = batches, batched_requests
    batches, batched_requests = 0, 0
  end
  local increments = pending
  pending = {}
  for key, value in pairs(increments) do
    shared:incr(key, value, 0)
  end
end

--- Record which snapshot version this worker runs.
function _M.snapshot_version(version)
  ngx.shared.sluice_metrics:set("snapshot|" .. ngx.worker.id(), version)
end

--- Start this worker's flush timer.
function _M.start()
  local ok, err = ngx.timer.every(FLUSH_S, flush)
  if not ok then
    error("metrics timer: " .. err)
  end
end

local function series(lines, key, value)
  local family, label = string.match(key, "^([^|]+)|(.*)$")
  if family == "snapshot" then
    lines[#lines + 1] = 'sluice_gateway_snapshot_version{worker="' .. label .. '"} ' .. value
    return
  end
  local name, label_name = HELP[family][1], HELP[family][2]
  local labels = label_name and ("{" .. label_name .. '="' .. label .. '"}') or ""
  lines[#lines + 1] = name .. labels .. " " .. value
end

--- Content handler: Prometheus text format of the whole gateway, at most FLUSH_S behind.
function _M.expose()
  local shared = ngx.shared.sluice_metrics
  local keys, lines = shared:get_keys(0), {}
  table.sort(keys)
  for _, family in pairs(HELP) do
    lines[#lines + 1] = "# HELP " .. family[1] .. " " .. family[3]
    lines[#lines + 1] = "# TYPE " .. family[1] .. " counter"
  end
  for _, key in ipairs(keys) do
    series(lines, key, shared:get(key))
  end
  ngx.header["Content-Type"] = "text/plain; version=0.0.4"
  ngx.print(table.concat(lines, "\n"), "\n")
end

return _M
