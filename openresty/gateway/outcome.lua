-- Outcome → HTTP status and body: the only such table (DESIGN §2). Refusals follow RFC 9457.

local cjson = require "cjson.safe"
local refusal_log = require "gateway.refusal_log"

local ngx = ngx
local ceil, random = math.ceil, math.random

local _M = {}

local BUSY_RETRY_MS = 300

local OUTCOMES = {
  reserved = { status = 200 },
  pending = { status = 202 },
  queued = { status = 202 },
  limit_reached = { status = 409, title = "Purchase limit reached" },
  sold_out = { status = 410, title = "Sold out" },
  ended = { status = 410, title = "The sale has ended" },
  not_started = { status = 425, title = "The sale has not started" },
  challenge = { status = 403, title = "A check is needed first" },
  denied = { status = 403, title = "Denied" },
  bad_token = { status = 401, title = "The token was refused" },
  bad_request = { status = 400, title = "The request was refused" },
  not_found = { status = 404, title = "Not found" },
  rate_limited = { status = 429, title = "Too many requests" },
  busy = { status = 503, title = "Busy, please try again" },
}
_M.OUTCOMES = OUTCOMES

-- A refusal without extras is the same bytes every time.
local fixed_bodies = {}

--- The problem document of a refusal.
-- code: an outcome; detail: string or nil; retry_after_ms: number or nil; trace_id: of one that is followed,
-- else nil or false. Returns status, JSON text.
function _M.problem(code, detail, retry_after_ms, trace_id)
  local outcome = OUTCOMES[code]
  if not outcome or not outcome.title then
    error("not a refusal: " .. tostring(code), 2)
  end
  local is_fixed = not detail and not retry_after_ms and not trace_id
  if is_fixed and fixed_bodies[code] then
    return outcome.status, fixed_bodies[code]
  end
  local body = cjson.encode({
    type = "urn:sluice:outcome:" .. code,
    title = outcome.title,
    status = outcome.status,
    code = code,
    detail = detail,
    retry_after_ms = retry_after_ms,
    trace_id = trace_id or nil,
  })
  if is_fixed then
    fixed_bodies[code] = body
  end
  return outcome.status, body
end

--- How long to wait before trying again after `busy`, jittered so that a crowd does not come back as one.
function _M.busy_retry_ms()
  return BUSY_RETRY_MS + random(0, BUSY_RETRY_MS)
end

-- What is the same in every answer, nginx adds (conf/sites/sale.conf): it costs a tenth there.
local function send_head(status, length, retry_after_ms)
  ngx.status = status
  local headers = ngx.header
  headers["Content-Length"] = length
  if retry_after_ms then
    -- Whole seconds, never 0: a client that knows only the header must still wait.
    headers["Retry-After"] = ceil(retry_after_ms / 1000)
  end
end

local function send(status, body, retry_after_ms)
  send_head(status, #body, retry_after_ms)
  ngx.print(body)
end

--- Answer a refusal that the log does not hear of (conf/http.d/log.conf).
function _M.refuse_quietly(code, detail, retry_after_ms, trace_id)
  local status, body = _M.problem(code, detail, retry_after_ms, trace_id)
  if code == "bad_token" then
    ngx.header["WWW-Authenticate"] = "Bearer" -- RFC 9110 §11.6.1
  end
  ngx.header["Content-Type"] = "application/problem+json"
  send(status, body, retry_after_ms)
end

--- Answer a refusal. `busy` always says when to come back.
function _M.refuse(code, detail, retry_after_ms, trace_id)
  if code == "busy" and not retry_after_ms then
    retry_after_ms = _M.busy_retry_ms()
  end
  if refusal_log.is_written(code) then
    ngx.var.sluice_outcome = code
  end
  _M.refuse_quietly(code, detail, retry_after_ms, trace_id)
end

--- Answer a purchase with a JSON text that the caller made, in five pieces: as one string every answer of an
-- item would have the same hash (gateway/base64url.lua).
function _M.answer(code, retry_after_ms, a, b, c, d, e)
  ngx.var.sluice_outcome = code
  send_head(OUTCOMES[code].status, #a + #b + #c + #d + #e, retry_after_ms)
  ngx.print(a, b, c, d, e)
end

--- Answer a reading with a JSON text that the caller made.
function _M.read(body)
  ngx.var.sluice_outcome = "read"
  send(200, body)
end

return _M
