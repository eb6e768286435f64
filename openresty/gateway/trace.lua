-- A purchase that is followed from the shop's page to the merchant's server (W3C Trace Context).
--
-- The page makes the trace, the edge decides at the entry by the switch trace_sampling whether it is one that
-- is followed, and the flag in `traceparent` says so. Here a flag counts while the switch is above 0, and of
-- no more than some a second, because anybody can write one. A purchase that is not followed costs one
-- branch while the switch is 0, and a look at one header while it is not.

local bit = require "bit"
local ffi = require "ffi"
local metrics = require "gateway.metrics"
local otlp = require "gateway.otlp"
local variable = require "gateway.variable"
require "gateway.lease" -- declares clock_gettime

local ngx = ngx
local format, match = string.format, string.match

ffi.cdef "long getrandom(void *buffer, size_t length, unsigned int flags);"

local CLOCK_REALTIME = 0 -- <time.h> on Linux
local LENGTH = 55 -- of version 00: "00-<32 digits>-<16 digits>-<2 digits>"
local NOT_SAMPLED = string.byte("0") -- of the last digit, bit 0 is the flag
local NO_TRACE, NO_SPAN = string.rep("0", 32), string.rep("0", 16)
-- Of each worker. What is beyond is sold like any other, and its trace has a gap here.
local PER_S_MAX = 100
local ROUTE = "/v1/items/{item}/{path_key}/buy" -- the path itself has the path_key

local time, random = ffi.new("sluice_timespec"), ffi.new("uint32_t[2]")
local this_second, this_many = 0, 0

local Trace = {}
Trace.__index = Trace

local _M = {}

--- Nanoseconds since 1970 as decimal digits: a double counts them only by the hundred.
function _M.now()
  ffi.C.clock_gettime(CLOCK_REALTIME, time)
  return format("%d%09d", tonumber(time.tv_sec), tonumber(time.tv_nsec))
end
local now = _M.now

-- By the system: the workers were forked with one state of math.random.
local function new_span_id()
  repeat
    ffi.C.getrandom(random, 8, 0)
  until random[0] ~= 0 or random[1] ~= 0
  return bit.tohex(random[0]) .. bit.tohex(random[1])
end

local function is_within_rate()
  local second = ngx.time()
  if second ~= this_second then
    this_second, this_many = second, 0
  end
  this_many = this_many + 1
  return this_many <= PER_S_MAX
end

--- A trace that is followed. id, parent: hexadecimal digits out of a traceparent.
function _M.new(id, parent)
  local redis_span = new_span_id()
  return setmetatable({
    id = id,
    parent = parent,
    span = new_span_id(),
    from = now(),
    step_span = false, -- of the step that runs
    -- What the reserve call tells whoever reads the outbox (control_plane/orders/line.py).
    tail = id .. "-" .. redis_span,
    redis_span = redis_span,
    sent_at = false, -- when the reserve call went out
    batch_size = 0,
    spans = {},
  }, Trace)
end

--- The trace of the current request, or false when it is not followed.
function _M.of_request()
  local bytes, length = variable.bytes("http_traceparent")
  if not bytes or length ~= LENGTH or bytes[LENGTH - 1] == NOT_SAMPLED then
    return false
  end
  local id, parent, flags = match(ffi.string(bytes, LENGTH), "^00%-([%da-f]+)%-([%da-f]+)%-([%da-f]+)$")
  if not id or #id ~= 32 or #parent ~= 16 or id == NO_TRACE or parent == NO_SPAN
      or tonumber(flags, 16) % 2 == 0 then
    return false
  end
  if not is_within_rate() then
    metrics.count("spans", "over")
    return false
  end
  return _M.new(id, parent)
end

function Trace:add(span, parent, name, kind, from, to, attributes)
  self.spans[#self.spans + 1] = otlp.span(self.id, span, parent, name, kind, from, to, attributes)
end

--- Steps as gateway.run_steps makes of them, for a req with a trace: each is a span. names: of the steps.
function _M.followed(names, steps)
  return function(req)
    local trace = req.trace
    for i = 1, #steps do
      local from = now()
      trace.step_span = new_span_id()
      local code, detail, retry_after_ms = steps[i](req)
      trace:add(trace.step_span, trace.span, names[i], otlp.INTERNAL, from, now(),
        { ["sluice.outcome"] = code })
      if code then
        return code, detail, retry_after_ms
      end
    end
    error("the last step must decide")
  end
end

--- The reserve call goes out with this purchase in it, among `batch_size`.
function Trace:sent(batch_size)
  self.sent_at, self.batch_size = now(), batch_size
end

--- It was answered, or not in time; nothing when it was never sent. shard: of the view.
function Trace:answered(shard, verdict)
  if not self.sent_at then
    return
  end
  local is_database = shard.source == "database"
  self:add(self.redis_span, self.step_span, is_database and "POST /internal/reserve" or "EVALSHA reserve",
    otlp.CLIENT, self.sent_at, now(), {
      ["db.system.name"] = is_database and "postgresql" or "redis",
      ["db.operation.name"] = is_database and "reserve" or "EVALSHA",
      ["db.operation.batch.size"] = self.batch_size,
      ["sluice.shard"] = shard.shard,
      ["sluice.epoch"] = shard.epoch,
      ["sluice.verdict"] = verdict,
    })
end

--- The purchase is over: its spans go to the exporter.
function Trace:finish(req, code, status)
  self:add(self.span, self.parent, "POST " .. ROUTE, otlp.SERVER, self.from, now(), {
    ["http.request.method"] = "POST",
    ["http.route"] = ROUTE,
    ["http.response.status_code"] = status,
    ["sluice.outcome"] = code,
    ["sluice.item"] = req.item_id,
    ["sluice.reservation_id"] = req.reservation_id or nil,
  })
  otlp.take(self.spans)
end

return _M
