-- A purchase: the steps, in order. The first that returns an outcome ends it; the cheapest come first.

local events = require "gateway.events"
local lobby = require "gateway.queue.lobby"
local outcome = require "gateway.outcome"
local queued = require "gateway.queue.queued"
local metrics = require "gateway.metrics"
local run_steps = require "gateway.run_steps"

local ngx = ngx
local match = string.match

local STEPS = {
  require "gateway.steps.item_state",
  require "gateway.steps.banned_address",
  require "gateway.steps.shape",
  require "gateway.steps.path_key",
  require "gateway.steps.token",
  require "gateway.steps.ticket",
  require "gateway.steps.rate_limit",
  require "gateway.steps.risk",
  require "gateway.steps.queue",
  require "gateway.steps.reserve",
}

local PENDING_POLL_MS = 500

local _M = {}

-- In pieces: as one string every answer of an item would have the same hash (gateway/payload.lua).
local function answer(req, code, rest, retry_after_ms)
  local id = req.reservation_id
  ngx.var.sluice_reservation = id
  return outcome.answer(code, { '{"outcome":"' .. code .. '","reservation_id":"', id,
    '","status_url":"/v1/reservations/', id, '",', rest, "}" }, retry_after_ms)
end

--- Content handler of POST /v1/items/{item}/{path_key}/buy.
function _M.handle()
  local item_id, path_key = match(ngx.var.uri, "^/v1/items/([1-9]%d*)/([%w_%-]+)/buy$")
  if not item_id then
    return lobby.handle()
  end
  -- What the steps fill in, from the start: a table that grows is made anew each time.
  local req = {
    item_id = item_id, path_key = path_key, view = false, item = false, is_from_memory = false,
    qty = false, idempotency_key = false, claims = false, address = false, site = false,
    reservation_id = false, ticket_claims = false, is_charged = false, may_have_won = false,
  }
  local code, detail, retry_after_ms = run_steps(STEPS, req)
  metrics.count("buys", code)
  events.note(req, code)
  if req.is_from_memory then
    ngx.var.sluice_logged = "" -- conf/http.d/log.conf
  end
  ngx.var.sluice_item = item_id
  if code == "queued" then
    return queued.answer(req)
  elseif code == "reserved" then
    return answer(req, code, '"item":' .. item_id .. ',"qty":' .. req.qty)
  elseif code == "pending" then
    return answer(req, code, '"retry_after_ms":' .. PENDING_POLL_MS, PENDING_POLL_MS)
  end
  return outcome.refuse(code, detail, retry_after_ms)
end

return _M
