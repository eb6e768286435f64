-- Sends spans to a receiver of OTLP/HTTP, as JSON (opentelemetry.io/docs/specs/otlp), best effort.
--
-- take() only puts texts into a list of this worker; a timer takes what is there every FLUSH_S. What finds no
-- room, or no receiver, is dropped and counted. No request waits for it.

local cjson = require "cjson.safe"
local http = require "gateway.http"
local metrics = require "gateway.metrics"

local ngx = ngx
local concat, min = table.concat, math.min

local FLUSH_S = 1
-- Twenty purchases of a hundred a second; 400 bytes each are 1 MB.
local SPANS_MAX = 2048
local SPANS_A_CALL = 512
local TIMEOUT_MS = 2000
-- While the receiver is away it is asked this often; what comes meanwhile waits, and then makes room.
local RETRY_S = 5
local PATH, HEADERS = "/v1/traces", { ["Content-Type"] = "application/json" }
local SAMPLED_REMOTE = 0x301 -- flags of OTLP: sampled; the parent is remote

local _M = { INTERNAL = 1, SERVER = 2, CLIENT = 3 } -- SpanKind

local target, head -- nil without a receiver
local waiting, waiting_count = {}, 0
local is_flushing, is_away, retry_at = false, false, 0

local function value_of(value)
  if type(value) == "number" then
    return { intValue = string.format("%d", value) }
  end
  return { stringValue = tostring(value) }
end

local function attributes_of(fields)
  local list = {}
  for key, value in pairs(fields) do
    list[#list + 1] = { key = key, value = value_of(value) }
  end
  return list
end

--- One span as JSON. from, to: nanoseconds as digits; attributes: name → string or whole number, not empty or
-- nil.
function _M.span(trace, span, parent, name, kind, from, to, attributes)
  local list = attributes and next(attributes) and attributes_of(attributes) or nil
  return cjson.encode({
    traceId = trace,
    spanId = span,
    parentSpanId = parent,
    name = name,
    kind = kind,
    startTimeUnixNano = from,
    endTimeUnixNano = to,
    attributes = list,
    flags = kind == _M.SERVER and SAMPLED_REMOTE or 1,
  })
end

--- Spans to be sent, as `span` makes them; without a receiver they are nobody's. Never waits.
function _M.take(spans)
  if not target then
    return
  end
  local room = min(#spans, SPANS_MAX - waiting_count)
  for i = 1, room do
    waiting[waiting_count + i] = spans[i]
  end
  waiting_count = waiting_count + room
  if room < #spans then
    metrics.add("spans", "full", #spans - room)
  end
end

-- Returns true when the receiver has taken them, or has refused them for good.
local function send(text)
  local sock, err = http.connect(target, TIMEOUT_MS)
  if not sock then
    return nil, err
  end
  local status, body = http.exchange(sock, "POST", target, PATH, HEADERS, text)
  if status == 200 then
    return true
  end
  return nil, status and "status " .. status or body
end

local function flush_once()
  while waiting_count > 0 and ngx.now() >= retry_at do
    local count = min(waiting_count, SPANS_A_CALL)
    local text = head .. concat(waiting, ",", 1, count) .. "]}]}]}"
    local rest = {}
    for i = count + 1, waiting_count do
      rest[i - count] = waiting[i]
    end
    -- Taken out before the call, during which others come.
    waiting, waiting_count = rest, waiting_count - count
    local ok, err = send(text)
    metrics.add("spans", ok and "sent" or "away", count)
    if ok then
      is_away = false
    else
      retry_at = ngx.now() + RETRY_S
      if not is_away then
        is_away = true
        ngx.log(ngx.WARN, "traces: the receiver takes none: ", err)
      end
    end
  end
end

local function flush()
  if is_flushing then
    return -- the receiver is slow: the list fills up meanwhile
  end
  is_flushing = true
  local ok, err = pcall(flush_once)
  if not ok then
    ngx.log(ngx.ERR, "traces: ", err)
  end
  is_flushing = false
end

--- Start this worker's timer, where the configuration has a receiver. config: gateway.config's table.
function _M.start(config)
  target = config.otlp
  if not target then
    return
  end
  head = '{"resourceSpans":[{"resource":{"attributes":' .. cjson.encode(attributes_of({
    ["service.name"] = "sluice-gateway",
    ["service.namespace"] = "sluice",
    ["service.instance.id"] = config.instance,
  })) .. '},"scopeSpans":[{"scope":{"name":"sluice.gateway"},"spans":['
  local ok, err = ngx.timer.every(FLUSH_S, flush)
  if not ok then
    error("traces timer: " .. err)
  end
end

return _M
