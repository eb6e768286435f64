-- Counters. Each worker counts in its own memory and adds to the shared ones once a second, because a
-- shared-memory lock a request would be among the dearest parts of a refusal.

local lease = require "gateway.lease"

local ngx = ngx

local FLUSH_S = 1
-- Bounds of sluice_gateway_exchange_seconds. nginx reads its clock once a turn: a millisecond is the finest.
local EXCHANGE_S = { 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1 }

-- Family → name, type, label name, or names with | between, or nil, help.
local FAMILIES = {
  events = {
    "sluice_gateway_events_total", "counter", "result",
    "Events for the risk scorer: sent, or dropped because the buffer was full or Kafka away.",
  },
  buys = { "sluice_gateway_buys_total", "counter", "outcome", "Buy requests by outcome." },
  redis_errors = {
    "sluice_gateway_redis_errors_total", "counter", "verdict", "Reserve calls without a result.",
  },
  database_errors = {
    "sluice_gateway_database_errors_total", "counter", "verdict",
    "Reserve calls to the control plane without a result.",
  },
  queue = { "sluice_gateway_queue_total", "counter", "event", "What the queue step did." },
  queue_errors = {
    "sluice_gateway_queue_errors_total", "counter", "verdict", "Queue calls without a result.",
  },
  batches = { "sluice_gateway_batches_total", "counter", nil, "Reserve script calls answered." },
  batched_requests = {
    "sluice_gateway_batched_requests_total", "counter", nil, "Requests in those calls.",
  },
  limit_reports = {
    "sluice_gateway_limit_reports_total", "counter", "result",
    "Calls that bring this gateway's admissions to the others; unsent: the work Redis is away.",
  },
  exchange = {
    "sluice_gateway_exchange_seconds", "histogram", nil,
    "One exchange with a stock node: a batch of every lane, or numbers of a queue.",
  },
  risk = {
    "sluice_gateway_risk_total", "counter", "rule|action|mode",
    "Matches of risk rules: enforced ones that decided, all of those that are only watched, and challenges "
      .. "that were passed or are switched off.",
  },
  bans = {
    "sluice_gateway_bans_total", "counter", "result",
    "Entries read from the stream of bans; full: a network for which the list has no room.",
  },
  bans_met = {
    "sluice_gateway_bans_met_total", "counter", "kind|mode", "Requests of somebody who is banned.",
  },
  breaker = {
    "sluice_gateway_breaker_open", "gauge", "upstream|worker",
    "1 while a worker leaves an upstream alone.",
  },
  heartbeats = {
    "sluice_gateway_heartbeats_total", "counter", "result", "Heartbeats to the control plane.",
  },
  console = {
    "sluice_gateway_console_requests_total", "counter", "pool",
    "Requests of the console by the version chosen.",
  },
  console_breaker = {
    "sluice_gateway_console_breaker_total", "counter", "event", "Green taken out and put back.",
  },
  snapshot = {
    "sluice_gateway_snapshot_version", "gauge", "worker", "Snapshot that the worker runs.",
  },
  generation = {
    "sluice_gateway_stock_generation", "gauge", "worker", "Stock generation that the worker runs.",
  },
  heard = {
    "sluice_gateway_control_plane_silence_seconds", "gauge", nil,
    "Time since the configuration was known to be the newest; the lease is compared with it.",
  },
}
local ORDER = {
  "buys", "limit_reports", "risk", "bans", "bans_met", "queue", "queue_errors", "batches",
  "batched_requests", "exchange", "redis_errors", "database_errors", "events", "breaker", "heartbeats",
  "console", "console_breaker", "snapshot", "generation", "heard",
}

local _M = {}

local pending = {} -- family → label → increment
for family in pairs(FAMILIES) do
  pending[family] = {}
end
local batches, batched_requests = 0, 0

--- Count one event of a family. label: its label's value; of several, with | between.
function _M.count(family, label)
  local labels = pending[family]
  labels[label] = (labels[label] or 0) + 1
end

--- Count `count` events of a family with one label value.
function _M.add(family, label, count)
  local labels = pending[family]
  labels[label] = (labels[label] or 0) + count
end

--- Count one answered script call of `size` requests.
function _M.count_batch(size)
  batches, batched_requests = batches + 1, batched_requests + size
end

--- Record that one exchange with a stock node took `seconds`.
function _M.exchange(seconds)
  local bounds, at = pending.exchange, "+Inf"
  for i = 1, #EXCHANGE_S do
    if seconds <= EXCHANGE_S[i] then
      at = EXCHANGE_S[i]
      break
    end
  end
  bounds[at] = (bounds[at] or 0) + 1
  bounds.sum = (bounds.sum or 0) + seconds
end

local function flush()
  local shared = ngx.shared.sluice_metrics
  if batches > 0 then
    pending.batches[""], pending.batched_requests[""] = batches, batched_requests
    batches, batched_requests = 0, 0
  end
  for family, increments in pairs(pending) do
    if next(increments) then
      pending[family] = {}
      for label, value in pairs(increments) do
        shared:incr(family .. "|" .. label, value, 0)
      end
    end
  end
end

--- Record which snapshot version and stock generation this worker runs.
function _M.snapshot(version, generation)
  local shared = ngx.shared.sluice_metrics
  shared:set("snapshot|" .. ngx.worker.id(), version)
  shared:set("generation|" .. ngx.worker.id(), generation)
end

--- Record whether this worker leaves an upstream alone: 1 or 0.
function _M.breaker(upstream, is_open)
  ngx.shared.sluice_metrics:set("breaker|" .. upstream .. "|" .. ngx.worker.id(), is_open)
end

--- Start this worker's flush timer.
function _M.start()
  local ok, err = ngx.timer.every(FLUSH_S, flush)
  if not ok then
    error("metrics timer: " .. err)
  end
end

-- names, values: with | between.
local function labels_of(names, values)
  local pairs_of_both, next_value = {}, string.gmatch(values, "[^|]+")
  for name in string.gmatch(names, "[^|]+") do
    pairs_of_both[#pairs_of_both + 1] = name .. '="' .. (next_value() or "") .. '"'
  end
  return "{" .. table.concat(pairs_of_both, ",") .. "}"
end

-- Counts of each bound alone become counts of all below it, as Prometheus has them.
local function histogram_lines(lines, name, samples)
  local by_bound, below = {}, 0
  for _, sample in ipairs(samples) do
    by_bound[sample.label] = sample.value
  end
  for _, bound in ipairs(EXCHANGE_S) do
    below = below + (by_bound[tostring(bound)] or 0)
    lines[#lines + 1] = name .. '_bucket{le="' .. bound .. '"} ' .. below
  end
  below = below + (by_bound["+Inf"] or 0)
  lines[#lines + 1] = name .. '_bucket{le="+Inf"} ' .. below
  lines[#lines + 1] = name .. "_sum " .. (by_bound.sum or 0)
  lines[#lines + 1] = name .. "_count " .. below
end

local function family_lines(lines, family, samples)
  local name, kind, label_names, help = unpack(FAMILIES[family], 1, 4)
  lines[#lines + 1] = "# HELP " .. name .. " " .. help
  lines[#lines + 1] = "# TYPE " .. name .. " " .. kind
  if kind == "histogram" then
    return histogram_lines(lines, name, samples)
  end
  for _, sample in ipairs(samples) do
    local labels = label_names and labels_of(label_names, sample.label) or ""
    lines[#lines + 1] = name .. labels .. " " .. sample.value
  end
end

--- Content handler: Prometheus text format of the whole gateway, at most FLUSH_S behind.
function _M.expose()
  local shared = ngx.shared.sluice_metrics
  local keys, samples, lines = shared:get_keys(0), {}, {}
  table.sort(keys)
  for family in pairs(FAMILIES) do
    samples[family] = {}
  end
  for _, key in ipairs(keys) do
    local family, label = string.match(key, "^([^|]+)|(.*)$")
    table.insert(samples[family], { label = label, value = shared:get(key) })
  end
  local heard_at_ms = ngx.shared.sluice_snapshot:get("heard_at_ms")
  if heard_at_ms then
    samples.heard[1] = { value = (lease.now_ms() - heard_at_ms) / 1000 }
  end
  for _, family in ipairs(ORDER) do
    family_lines(lines, family, samples[family])
  end
  ngx.header["Content-Type"] = "text/plain; version=0.0.4"
  ngx.print(table.concat(lines, "\n"), "\n")
end

return _M
