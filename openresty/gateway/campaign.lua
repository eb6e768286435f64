-- What anybody may read: a campaign and the time.

local cjson = require "cjson.safe"
local outcome = require "gateway.outcome"
local snapshot = require "gateway.snapshot"

local ngx = ngx
local sub = string.sub

local PUBLIC_ITEM_FIELDS =
  { "id", "sku", "title", "price_minor", "currency", "units", "limit", "state", "start_ms", "end_ms" }

local _M = {}

local function now_ms()
  return math.floor(ngx.now() * 1000)
end

-- Field by field, so that a new secret in the snapshot is not published by forgetting it here.
local function public_item(item)
  local public = {}
  for _, name in ipairs(PUBLIC_ITEM_FIELDS) do
    public[name] = item[name]
  end
  local queue = item.queue
  if queue and queue.draw and queue.draw.commit then
    -- Whoever keeps it before the start can check the draw afterwards.
    public.queue = { mode = queue.mode, commit = queue.draw.commit }
  end
  return public
end

local function refused_method()
  local method = ngx.req.get_method()
  if method ~= "GET" and method ~= "HEAD" then
    outcome.refuse("bad_request", "method must be GET")
    return true
  end
end

--- Content handler of GET /v1/campaigns/{slug}.
function _M.handle()
  if refused_method() then
    return
  end
  local view = snapshot.current()
  if not view then
    return outcome.refuse("busy")
  end
  local campaign = view.campaigns[sub(ngx.var.uri, #"/v1/campaigns/" + 1)]
  if not campaign then
    return outcome.refuse("not_found")
  end
  local items = {}
  for i, id in ipairs(campaign.items) do
    items[i] = public_item(view.items[tostring(id)])
  end
  return outcome.read(cjson.encode({
    slug = campaign.slug,
    title = campaign.title,
    state = campaign.state,
    start_ms = campaign.start_ms,
    end_ms = campaign.end_ms,
    now_ms = now_ms(),
    items = items,
  }))
end

--- Content handler of GET /v1/time: the gateway's clock, Unix time in ms.
function _M.time()
  if refused_method() then
    return
  end
  ngx.update_time()
  return outcome.read('{"now_ms":' .. now_ms() .. "}")
end

return _M
