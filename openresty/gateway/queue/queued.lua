-- What who waits is told: his ticket, how many are before him, for how long about, and when to ask again.

local outcome = require "gateway.outcome"

local ceil, floor, max, min, random = math.ceil, math.floor, math.max, math.min, math.random
local format = string.format

local MIN_RETRY_MS, MAX_RETRY_MS = 300, 30000 -- purchase_charge.lua lets him ask as often
-- While nothing is known of the speed yet: 100 places a second.
local GUESSED_PER_KS = 100000
-- Before a draw is revealed nobody has a place; it takes as long as the snapshot that reveals it.
local REVEAL_RETRY_MS = 500

local _M = { MIN_RETRY_MS = MIN_RETRY_MS }

--- How many before a place are not served yet. served: the bucket's; gaps: numbers that nobody holds, {first,
-- beyond} each; size: places that were drawn, which come before all numbers.
function _M.ahead(place, served, gaps, size)
  local ahead = place - served
  for i = 1, #gaps do
    local first, beyond = gaps[i][1] + size, gaps[i][2] + size
    -- A place inside of a gap shows that the gap begins behind it (its counter was lost).
    if beyond <= place then
      ahead = ahead - max(beyond - max(first, served), 0)
    end
  end
  return max(ahead, 0)
end

--- How long the wait is about, in ms. ahead: places before him; per_ks: places called in 1000 s.
function _M.eta_ms(ahead, per_ks)
  return ceil(ahead * 1e6 / (per_ks > 0 and per_ks or GUESSED_PER_KS))
end

--- When to ask again, in ms: after half of the wait, so that the last times come quickly one after another
-- and his call finds him; ± 25 %, so that a crowd does not come back as one. chance: from [0, 1).
function _M.retry_ms(eta_ms, max_retry_ms, chance)
  local half_ms = min(max(eta_ms / 2, MIN_RETRY_MS), max_retry_ms)
  return floor(min(max(half_ms * (0.75 + 0.5 * chance), MIN_RETRY_MS), MAX_RETRY_MS))
end

--- Prepare the answer. fields: ticket (text), bucket (index), place or nil; window: or nil.
-- Returns "queued", for the steps.
function _M.waits(req, fields, window)
  local queue = req.item.queue
  local waiting = { ticket = fields.ticket, bucket = queue.names[fields.bucket] }
  if fields.place and window then
    local bucket, drawn = fields.bucket, queue.draw and queue.draw.sizes
    waiting.ahead =
      _M.ahead(fields.place, window.served[bucket], window.gaps[bucket], drawn and drawn[bucket] or 0)
    waiting.eta_ms = _M.eta_ms(waiting.ahead, window.per_ks[bucket])
  end
  waiting.retry_after_ms = _M.retry_ms(waiting.eta_ms or 2 * REVEAL_RETRY_MS, queue.max_retry_ms, random())
  req.queued = waiting
  return "queued"
end

--- Answer a purchase that the queue step has made wait.
function _M.answer(req)
  local waiting = req.queued
  local place = waiting.ahead and format(',"place":%d,"eta_ms":%d', waiting.ahead, waiting.eta_ms) or ""
  local rest = format('"%s,"retry_after_ms":%d}', place, waiting.retry_after_ms)
  return outcome.answer("queued", waiting.retry_after_ms, '{"outcome":"queued","ticket":"', waiting.ticket,
    '","bucket":"', waiting.bucket, rest)
end

return _M
