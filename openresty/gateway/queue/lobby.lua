-- POST /v1/items/{item}/lobby: into the draw before the start, one number a shopper (DESIGN §6).
--
-- Who has joined is known by a Bloom filter in Redis, whose size does not grow. Its positions are a keyed
-- hash of the shopper, the same on every gateway: nobody can look for names that it believes to know.

local batch = require "gateway.batch"
local bearer = require "gateway.bearer"
local events = require "gateway.events"
local hmac = require "gateway.hmac"
local outcome = require "gateway.outcome"
local redis_cluster = require "gateway.redis_cluster"
local redis_lane = require "gateway.redis_lane"
local resp = require "gateway.resp"
local run_steps = require "gateway.run_steps"
local scripts = require "gateway.queue.scripts"
local snapshot = require "gateway.snapshot"
local sources = require "gateway.sources"
local tickets = require "gateway.queue.ticket"
local views = require "gateway.queue.view"

local arg = resp.arg
local byte, format, gmatch, match = string.byte, string.format, string.gmatch, string.match
local ngx = ngx

local AUDIENCE = "sluice-lobby"
local POSITIONS = 4
local POSITION_MAX = 2 ^ 26 -- bits, 8 MB: join_lobby.lua
local CLOSED = "the lobby is closed, the sale has begun"
local DOMAIN = "sluice-lobby-1"
-- How long an answer is remembered, so that a retry whose first answer was lost gets the same ticket.
local REMEMBERED_S = 600

local Lane = {}
Lane.__index = Lane

local _M = {}

local mac, batch_max
local lanes = {} -- item id → lane

--- config: gateway.config's table. Called once in each worker.
function _M.configure(config)
  batch_max = config.batch_max
  mac = hmac.new((hmac.new(config.reservation_key))(DOMAIN))
end

--- The positions of a shopper in the filter of an item, as join_lobby.lua reads them.
function _M.positions(item, shopper)
  local digest, list = mac(format('[%d,"%s"]', item, shopper)), {}
  for i = 1, POSITIONS do
    local a, b, c, d = byte(digest, 4 * i - 3, 4 * i)
    list[i] = (((a * 256 + b) * 256 + c) * 256 + d) % POSITION_MAX
  end
  return table.concat(list, " ")
end

local function lane_of(item, source)
  local lane, cluster = lanes[item.id], sources.cluster(source)
  if not cluster then
    return nil
  end
  if not lane or lane.cluster ~= cluster then
    local tag = item.queue.tag
    lane = batch.lane(setmetatable({
      cluster = cluster,
      slot = redis_cluster.slot_of(tag),
      batch_max = batch_max,
      call = arg("EVALSHA") .. arg(scripts.join_lobby) .. arg(4) .. arg(tag .. ":ctl")
        .. arg(tag .. ":lobby") .. arg(tag .. ":seen") .. arg(tag .. ":numbers"),
    }, Lane))
    lanes[item.id] = lane
  end
  return lane
end

function Lane:node()
  return redis_lane.node_of(self.cluster, self.slot, "queue")
end

function Lane:encode(parts, requests)
  parts[#parts + 1] = "*" .. (7 + #requests) .. "\r\n"
  parts[#parts + 1] = self.call
  for i = 1, #requests do
    parts[#parts + 1] = arg(requests[i].wish)
  end
end

-- A verdict is "closed", "N" (none now), or "L" or "F" with its number and the generation.
function Lane.finish(_, requests, reply)
  if type(reply) ~= "table" or type(reply[2]) ~= "string" then
    return batch.finish_all(requests, "unknown")
  elseif reply[2] == "closed" then
    return batch.finish_all(requests, "closed")
  end
  local answers, i = gmatch(reply[2], "(%u)(%d*)"), 0
  for kind, number in answers do
    i = i + 1
    if requests[i] then
      batch.finish(requests[i], kind, { number = tonumber(number), generation = reply[1] })
    end
  end
  for rest = i + 1, #requests do
    batch.finish(requests[rest], "unknown")
  end
end

-- Returns "queued" and the answer's body, or a refusal.
local function join(req)
  local item, view, claims = req.item, req.view, req.claims
  local queue = item.queue
  local lane = lane_of(item, view.stock.source)
  if not lane or not queue.draw.commit then
    return "busy"
  end
  local key = item.id .. " " .. claims.sub
  local shared = ngx.shared.sluice_lobby
  local remembered = shared:get(key)
  if remembered then
    return "queued", remembered
  end
  local bucket = views.bucket_of(queue, req.bucket or claims.lvl)
  local kind, given = batch.reserve(lane, bucket .. " " .. _M.positions(item.id, claims.sub))
  if kind == "closed" then
    return "ended", CLOSED
  elseif kind ~= "L" and kind ~= "F" then
    return "busy"
  end
  local is_in_draw = kind == "L"
  local ticket = tickets.sign(view.ticket_keys, {
    item = item.id,
    bucket = bucket,
    kind = is_in_draw and "lobby" or "fifo",
    number = given.number,
    shopper = claims.sub,
    generation = given.generation,
    exp = math.ceil(item.end_ms / 1000),
  })
  local body = format('{"item":%d,"ticket":"%s","bucket":"%s",%s"commit":"%s","start_ms":%d}',
    item.id, ticket, queue.names[bucket],
    is_in_draw and format('"lobby_number":%d,', given.number) or "", queue.draw.commit, item.start_ms)
  -- A second lost answer is worth less than the memory: what is full forgets its oldest.
  shared:set(key, body, REMEMBERED_S)
  return "queued", body
end

-- Whether its lobby is open now. Fills view and item.
local function find_item(req)
  local view = snapshot.current()
  if not view then
    return "busy"
  end
  local item = view.items[req.item_id]
  req.view, req.item = view, item
  if not item or not item.queue or item.queue.mode ~= "draw" then
    return "not_found"
  end
  local now_ms = ngx.now() * 1000
  if item.state == "ended" or now_ms >= item.end_ms then
    return "ended"
  elseif now_ms >= item.start_ms then
    return "ended", CLOSED
  elseif item.queue.opens_ms and now_ms < item.queue.opens_ms then
    return "not_started", nil, math.ceil(item.queue.opens_ms - now_ms)
  elseif not item.switches.sale_enabled then
    return "busy"
  end
end

local function is_plain_post()
  local var = ngx.var
  local length = tonumber(var.content_length or "0")
  return ngx.req.get_method() == "POST" and not var.args and length == 0
    and not var.http_transfer_encoding
end

local function check_shape()
  if not is_plain_post() then
    return "bad_request", "POST without a body or a query"
  end
end

-- Fills claims.
local function check_token(req)
  local claims = bearer.claims(req.view.entry_keys, 0, AUDIENCE)
  if not claims or claims.item ~= req.item.id then
    return "bad_token"
  end
  req.claims = claims
end

-- As those of a purchase (gateway/buy.lua): the first that returns an outcome ends it.
local decide = run_steps {
  find_item,
  require "gateway.steps.banned_address",
  check_shape,
  check_token,
  require "gateway.steps.rate_limit",
  require "gateway.steps.risk",
  join,
}

--- Content handler of what is under /v1/items/ and no purchase.
function _M.handle()
  local item_id = match(ngx.var.uri, "^/v1/items/([1-9]%d*)/lobby$")
  if not item_id then
    return outcome.refuse("not_found")
  end
  ngx.var.sluice_route = "lobby"
  ngx.var.sluice_item = item_id
  local req = {
    item_id = item_id, view = false, item = false, claims = false, address = false, site = false,
  }
  local code, detail, retry_after_ms = decide(req)
  events.note(req, code)
  if code == "queued" then
    -- 200 and not 202: joining is done, what comes of it begins at the start.
    return outcome.read(detail)
  end
  return outcome.refuse(code, detail, retry_after_ms)
end

return _M
