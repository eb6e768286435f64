-- A purchase: the steps, in order. The first that returns an outcome ends it; the cheapest come first.

local bounded_cache = require "gateway.bounded_cache"
local events = require "gateway.events"
local lobby = require "gateway.queue.lobby"
local outcome = require "gateway.outcome"
local queued = require "gateway.queue.queued"
local metrics = require "gateway.metrics"
local run_steps = require "gateway.run_steps"
local trace = require "gateway.trace"

local ngx = ngx
local match = string.match

local item_state = require "gateway.steps.item_state" -- the first: what a worker knows by itself
local NAMES = {
  "banned_address", "shape", "path_key", "token", "ticket", "rate_limit", "risk", "queue", "reserve",
}
local steps = {}
for i, name in ipairs(NAMES) do
  steps[i] = require("gateway.steps." .. name)
end
local decide, decide_followed = run_steps(steps), trace.followed(NAMES, steps)

local PENDING_POLL_MS = 500

local splits = bounded_cache.new(1000, 128)

local _M = {}

local function answer(req, code, rest, retry_after_ms)
  local id = req.reservation_id
  ngx.var.sluice_reservation = id
  return outcome.answer(code, retry_after_ms, '{"outcome":"' .. code .. '","reservation_id":"', id,
    '","status_url":"/v1/reservations/', id, '",' .. rest .. "}")
end

-- Item and path_key of a path, or nil.
local function split(path)
  local known = splits:get(path)
  if known then
    return known.item_id, known.path_key
  end
  local item_id, path_key = match(path, "^/v1/items/([1-9]%d*)/([%w_%-]+)/buy$")
  if item_id then
    splits:put(path, { item_id = item_id, path_key = path_key })
  end
  return item_id, path_key
end

-- From here on in one piece, also for LuaJIT: behind a wait it compiles what is called, not what returns.
local function conclude(req, code, detail, retry_after_ms)
  metrics.count("buys", code)
  events.note(req, code)
  if req.trace then
    ngx.var.sluice_trace = req.trace.id
    req.trace:finish(req, code, outcome.OUTCOMES[code].status)
  end
  if req.is_from_memory or code == "ended" then
    return outcome.refuse_quietly(code, detail, retry_after_ms)
  end
  ngx.var.sluice_item = req.item_id
  if code == "queued" then
    return queued.answer(req)
  elseif code == "reserved" then
    return answer(req, code, '"item":' .. req.item_id .. ',"qty":' .. req.qty)
  elseif code == "pending" then
    return answer(req, code, '"retry_after_ms":' .. PENDING_POLL_MS, PENDING_POLL_MS)
  end
  return outcome.refuse(code, detail, retry_after_ms, req.trace and req.trace.id)
end

-- What the first step fills in. It waits for nothing and most requests end there, so one for all of them.
local early = {
  item_id = "", view = false, item = false, claims = false, is_from_memory = false, trace = false,
}

--- Content handler of POST /v1/items/{item}/{path_key}/buy.
function _M.handle()
  local item_id, path_key = split(ngx.var.uri)
  if not item_id then
    return lobby.handle()
  end
  early.item_id, early.view, early.item, early.is_from_memory = item_id, false, false, false
  local code, detail, retry_after_ms = item_state(early)
  if code then
    return conclude(early, code, detail, retry_after_ms)
  end
  -- What the other steps fill in, from the start: a table that grows is made anew each time.
  local req = {
    item_id = item_id, path_key = path_key, view = early.view, item = early.item, is_from_memory = false,
    qty = false, idempotency_key = false, claims = false, address = false, site = false,
    reservation_id = false, at_ms = false, ticket_claims = false, is_charged = false, may_have_won = false,
    trace = false,
  }
  if early.item.is_followed then
    req.trace = trace.of_request()
    if req.trace then
      return conclude(req, decide_followed(req))
    end
  end
  return conclude(req, decide(req))
end

return _M
