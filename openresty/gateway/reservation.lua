-- GET /v1/reservations/{id}: what became of a reservation, for its own shopper only.
--
-- The order consumer's projection (work Redis) knows more and is asked first; the shard's buyers know that
-- the units are held. Neither is truth, PostgreSQL is; but an answer here never contradicts it for long.

local bearer = require "gateway.bearer"
local breaker = require "gateway.breaker"
local cjson = require "cjson.safe"
local http = require "gateway.http"
local outcome = require "gateway.outcome"
local reservation_id = require "gateway.reservation_id"
local snapshot = require "gateway.snapshot"
local sources = require "gateway.sources"
local work_redis = require "gateway.work_redis"

local ngx = ngx
local find, match, sub = string.find, string.match, string.sub

local TIMEOUT_MS = 300
-- Entry tokens live two minutes, paying takes longer; an expired token still reads its own reservation.
local READ_GRACE_S = 3600

local _M = {}

local control_plane, authorization
local projections, database -- breakers

--- config: gateway.config's table. Called once in each worker.
function _M.configure(config)
  control_plane = config.control_plane
  projections = breaker.new("work-redis status")
  database = breaker.new("control-plane status")
  authorization = { Authorization = "Bearer " .. config.internal_token }
end

-- Returns the projection (table), false when there is none, or nil when work Redis cannot say, which
-- includes a text that is no JSON.
local function read_projection(id)
  if not projections:admits() then
    return nil
  end
  local client = work_redis.connect(TIMEOUT_MS)
  local text = client and client:get("reservation:" .. id)
  if not text then
    if client then
      client:close()
    end
    projections:failed()
    return nil
  end
  projections:succeeded()
  work_redis.keep(client)
  if text == ngx.null then
    return false
  end
  local projection = cjson.decode(text)
  return type(projection) == "table" and projection or nil
end

--- What the control plane knows of a reservation of this shopper: the quantity held (0: it has ended), false
-- when there is none, nil when it cannot say.
function _M.in_database(shopper, id)
  if not database:admits() then
    return nil
  end
  local status, body = http.get(control_plane,
    "/internal/reservations/" .. id .. "?shopper=" .. shopper, authorization, TIMEOUT_MS)
  if status then
    database:succeeded()
  else
    database:failed()
  end
  if status == 404 then
    return false
  end
  local answer = status == 200 and cjson.decode(body)
  return type(answer) == "table" and tonumber(answer.qty) or nil
end

local function read_redis(cluster, shard, shopper, id)
  local held = cluster:hget(shard.tag .. ":buyers", shopper)
  if not held then
    return held
  end
  local at = find(held, id .. "=", 1, true)
  return at and tonumber(match(held, "^%d+", at + #id + 1)) or false
end

-- Returns the quantity held, false when the shard has no such reservation, nil when it cannot say. An epoch
-- knows what those before it knew: its buyers are rebuilt before it sells.
local function read_shard(item, shard_number, shopper, id)
  local shard = item.shards[shard_number]
  if not shard then
    return nil
  end
  if shard.source == "database" then
    return _M.in_database(shopper, id)
  end
  local cluster = sources.cluster(shard.source)
  return cluster and read_redis(cluster, shard, shopper, id)
end

local function status_of(id, item, shard_number, shopper)
  local projection = read_projection(id)
  if projection and projection.shopper == shopper then
    projection.shopper = nil
    return projection
  end
  if projection then
    return nil, "not_found" -- another shopper's
  end
  local qty = read_shard(item, shard_number, shopper, id)
  if qty and qty > 0 then
    return { reservation_id = id, item = item.id, qty = qty, state = "reserved" }
  end
  -- Only two clear answers make a "no"; if either could not be asked, nobody knows. Nor with quantity 0:
  -- it has ended, and the projection, which would say how, is not there.
  return nil, (projection == false and qty == false) and "not_found" or "busy"
end

--- Content handler. 200 with the state, or bad_token, not_found, busy, bad_request.
function _M.handle()
  if ngx.req.get_method() ~= "GET" then
    return outcome.refuse("bad_request", "method must be GET")
  end
  local view = snapshot.current()
  if not view then
    return outcome.refuse("busy")
  end
  local claims = bearer.claims(view.entry_keys, READ_GRACE_S)
  if not claims then
    return outcome.refuse("bad_token")
  end
  local id = sub(ngx.var.uri, #"/v1/reservations/" + 1)
  local item_id, shard_number = reservation_id.parse(id)
  local item = item_id and view.items[item_id]
  if not item or claims.item ~= item.id then
    return outcome.refuse("not_found")
  end
  local status, refusal = status_of(id, item, shard_number, claims.sub)
  if not status then
    return outcome.refuse(refusal)
  end
  ngx.var.sluice_item, ngx.var.sluice_reservation = item_id, id
  return outcome.read(cjson.encode(status))
end

return _M
