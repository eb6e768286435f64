-- Step before the last: is it this shopper's turn? (DESIGN §6) Fills queued when it is not.
--
-- Whatever cannot be known here, because Redis or the controller is away, is `queued` with his own ticket
-- or `busy`: never more than the window lets in, and never `sold_out`.

local lines = require "gateway.queue.line"
local metrics = require "gateway.metrics"
local purchase_charge = require "gateway.purchase_charge"
local queued = require "gateway.queue.queued"
local sold_out = require "gateway.sold_out"
local tickets = require "gateway.queue.ticket"
local views = require "gateway.queue.view"
local winner = require "gateway.queue.winner"

-- A ticket is worth nothing without an entry token, and none is left after the end.
local function end_s(req)
  return math.ceil(req.item.end_ms / 1000)
end

local function ticket_of(req, fields)
  fields.item, fields.shopper, fields.exp = req.item.id, req.claims.sub, end_s(req)
  return tickets.sign(req.view.ticket_keys, fields)
end

-- Whether the claims mean a place in the queue as it is; `place` may still be unknown (nil).
local function place_in(req, claims, window, forced_bucket)
  if not claims or (window and claims.gen < window.oldest) then
    return false -- of a queue that was opened anew, with other buckets or another mode
  end
  if forced_bucket and claims.bucket ~= forced_bucket then
    return false -- he was found suspicious since
  end
  return views.place_of(req.item.queue, claims)
end

local function wait_with(req, claims, place, window)
  metrics.count("queue", "waits")
  local text = req.ticket
  if not claims.is_newest_key or claims.exp < end_s(req) or (place and claims.kind ~= "place") then
    -- From now on with his place: reading it is cheaper than finding it each time. Or until the end that was
    -- moved to later: whoever waits asks again before the old one.
    text = ticket_of(req, {
      bucket = claims.bucket,
      kind = place and "place" or claims.kind,
      number = place or claims.number,
      generation = claims.gen,
    })
  end
  return queued.waits(req, { ticket = text, bucket = claims.bucket, place = place }, window)
end

-- Not charged: his number was, when it was taken, and now his ticket was (gateway/purchase_charge.lua).
local function go_on(line, bucket, place)
  line:note_came(bucket, place)
  metrics.count("queue", "admitted")
end

-- Whether he has won already; nil while nobody can say.
local function has_won(req)
  local is_winner = winner.is_known(req)
  req.may_have_won = is_winner == nil
  return is_winner
end

local function hear_sold_out(req)
  if req.may_have_won then
    return "busy" -- "sold out" might be untrue for him
  end
  metrics.count("queue", "sold_out")
  sold_out.note(req.item_id)
  return "sold_out"
end

-- With a number that was just taken, and the window that came with it. Returns nil to go on, or an outcome.
local function begin_with(req, line, bucket, number)
  metrics.count("queue", "numbers")
  local window = line.window
  if lines.is_sold_out(window) then
    return hear_sold_out(req)
  end
  local claims = { kind = "fifo", number = number, bucket = bucket, gen = window.generation }
  local place = views.place_of(req.item.queue, claims)
  if place and place < window.served[bucket] and place >= window.written[bucket] then
    return go_on(line, bucket, place)
  end
  return wait_with(req, claims, place, window)
end

local function take(req, line, bucket)
  local code, detail, retry_after_ms = purchase_charge.purchase(req)
  if code then
    return code, detail, retry_after_ms
  end
  local number = line:take(bucket)
  if not number then
    return "busy"
  end
  return begin_with(req, line, bucket, number)
end

-- Without a ticket.
local function come_new(req, line, bucket)
  if has_won(req) then
    return nil -- he went straight on, so he has no ticket, and his answer was lost
  end
  if line.window and lines.is_sold_out(line.window) then
    return hear_sold_out(req)
  end
  return take(req, line, bucket)
end

-- Nothing is left: all hear it at once, whatever their place.
local function come_too_late(req)
  if not winner.says_so() then
    return hear_sold_out(req)
  end
  local code, detail, retry_after_ms = purchase_charge.purchase(req)
  if code then
    return code, detail, retry_after_ms
  end
  if has_won(req) then
    return nil
  end
  return hear_sold_out(req)
end

-- With a place below served_until.
local function come_in_turn(req, line, claims, place)
  local bucket = claims.bucket
  if place >= line.window.written[bucket] then
    return go_on(line, bucket, place)
  end
  local code, detail, retry_after_ms = purchase_charge.purchase(req)
  if code then
    return code, detail, retry_after_ms
  end
  local came, number = line:take_again(bucket, place)
  if came or has_won(req) then
    return nil -- a retry of who had come in time is the same purchase
  elseif number then
    return begin_with(req, line, bucket, number)
  end
  return wait_with(req, claims, place, line.window)
end

--- req: the purchase; req.bucket: name of the bucket that the risk step wants, or nil. Returns nil to go on,
-- "queued", or a refusal.
return function(req)
  local queue = req.item.queue
  if not queue then
    return nil
  end
  local claims = req.ticket_claims
  local line = lines.of(req.item, req.view.stock.source)
  if not line then
    return "busy"
  end
  local forced = req.bucket and views.bucket_of(queue, req.bucket)
  local bucket = forced or views.bucket_of(queue, req.claims.lvl)
  if not claims then
    return come_new(req, line, bucket)
  end
  local window = line:current()
  if window and lines.is_sold_out(window) then
    return come_too_late(req)
  end
  local place = place_in(req, claims, window, forced)
  if place == false then
    return take(req, line, bucket)
  elseif not window or not place or place >= window.served[claims.bucket] then
    return wait_with(req, claims, place, window)
  end
  return come_in_turn(req, line, claims, place)
end
