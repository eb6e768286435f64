-- An item's queue as the snapshot describes it: checked once, when it arrives, not a request.

local cjson = require "cjson.safe"
local places = require "gateway.queue.places"

local format = string.format

local BUCKETS_MAX = 16
local MODES = { off = true, fifo = true, draw = true }

local _M = {}

local function need(condition, id)
  if not condition then
    error("snapshot: queue of item " .. id, 0)
  end
end

local function whole(value, min, max)
  return type(value) == "number" and value % 1 == 0 and value >= min and value <= max
end

local function is_null(value)
  return value == nil or value == cjson.null
end

local function bytes_of(hex)
  return (string.gsub(hex, "%x%x", function(pair)
    return string.char(tonumber(pair, 16))
  end))
end

-- The permutation of each bucket once the draw is revealed, else nil.
local function view_of_draw(id, draw, buckets)
  if is_null(draw) then
    return nil
  end
  need(type(draw) == "table" and type(draw.commit) == "string", id)
  local view = { commit = draw.commit }
  if is_null(draw.seed) or is_null(draw.sizes) then
    return view
  end
  need(type(draw.seed) == "string" and string.find(draw.seed, "^%x+$") and #draw.seed % 2 == 0
    and type(draw.sizes) == "table" and #draw.sizes == buckets, id)
  view.sizes, view.place_of = {}, {}
  for index, size in ipairs(draw.sizes) do
    need(whole(size, 0, places.SIZE_MAX), id)
    view.sizes[index - 1] = size
    view.place_of[index - 1] = places.new(bytes_of(draw.seed), id, index - 1, size)
  end
  return view
end

--- queue: the section of the document, or nil; id: of the item. Returns nil when there is no queue, else
-- {mode, draw, names and bucket_of (both ways between index and name), last, tag, max_retry_ms, opens_ms};
-- raises a string when it is malformed.
function _M.build(id, queue)
  if is_null(queue) then
    return nil
  end
  need(type(queue) == "table" and MODES[queue.mode], id)
  if queue.mode == "off" then
    return nil
  end
  need(type(queue.buckets) == "table" and #queue.buckets >= 1 and #queue.buckets <= BUCKETS_MAX
    and whole(queue.grace_ms, 1, 3600000), id)
  local view = {
    mode = queue.mode,
    names = {},
    bucket_of = {},
    last = #queue.buckets - 1,
    tag = format("{q%d}", id),
    -- Who is called must hear it while there is time left to come.
    max_retry_ms = math.min(30000, queue.grace_ms / 2),
    opens_ms = not is_null(queue.opens_ms) and queue.opens_ms or nil,
  }
  for index, bucket in ipairs(queue.buckets) do
    need(type(bucket) == "table" and type(bucket.name) == "string"
      and string.find(bucket.name, "^[a-z_]+$"), id)
    view.names[index - 1], view.bucket_of[bucket.name] = bucket.name, index - 1
  end
  if queue.mode == "draw" then
    -- Without a commitment yet: all wait, which is better than a snapshot that is refused whole.
    view.draw = view_of_draw(id, queue.draw, #queue.buckets) or {}
  end
  return view
end

--- The bucket of a level; one that is not named falls into the last.
function _M.bucket_of(queue, level)
  return queue.bucket_of[level] or queue.last
end

--- The place that a ticket's claims mean, or nil while the draw is not revealed, and false when they mean
-- none in this queue (any more): it was a draw, or has other buckets.
function _M.place_of(queue, claims)
  if claims.bucket > queue.last then
    return false
  end
  if claims.kind == "place" then
    return claims.number
  end
  local draw = queue.draw
  if not draw then
    return claims.kind == "fifo" and claims.number
  elseif not draw.sizes then
    return nil
  elseif claims.kind == "fifo" then
    return draw.sizes[claims.bucket] + claims.number -- behind the draw
  end
  return draw.place_of[claims.bucket](claims.number) or false
end

return _M
