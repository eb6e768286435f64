-- The public record of a draw, from the control plane: GET /v1/draws/{item} and …/record.csv.
--
-- Shoppers reach nothing of the control plane but this. nginx keeps what was read (http.d/draws.conf), and
-- what is known not to be revealed is answered here.

local balancer = require "ngx.balancer"
local outcome = require "gateway.outcome"
local snapshot = require "gateway.snapshot"

local ngx = ngx
local match = string.match

-- A record of a million rows is computed while it is sent; READ_S is between two pieces of it.
local CONNECT_S, SEND_S, READ_S = 1, 5, 10
local DIGITS_MAX = 18 -- the control plane's numbers have 63 bits

local _M = {}

local peer

--- config: gateway.config's table.
function _M.configure(config)
  peer = config.control_plane
end

-- Not yet: the record will be there after the start. An item that is not in the snapshot may be an old one.
local function is_hidden(item_id)
  local view = snapshot.current()
  local item = view and view.items[item_id]
  local draw = item and item.queue and item.queue.draw
  return draw and not draw.sizes
end

local function refuse(code, detail)
  ngx.header["Cache-Control"] = "no-store" -- this location has a header of its own (conf/sites/sale.conf)
  outcome.refuse(code, detail)
  return ngx.exit(ngx.HTTP_OK) -- the answer is complete: no content handler comes after it
end

--- Access handler: refuses, or says what the control plane is asked for.
function _M.enter()
  local method = ngx.req.get_method()
  if method ~= "GET" and method ~= "HEAD" then
    return refuse("bad_request", "method must be GET")
  end
  local item_id, rest = match(ngx.var.uri, "^/v1/draws/([1-9]%d*)(.*)$")
  if not item_id or #item_id > DIGITS_MAX or (rest ~= "" and rest ~= "/record.csv")
      or is_hidden(item_id) then
    return refuse("not_found")
  end
  local var = ngx.var
  var.sluice_item, var.sluice_outcome = item_id, "read"
  var.sluice_draw_host = peer.host .. ":" .. peer.port
  var.sluice_draw_path = "/api/v1/draws/" .. item_id .. (rest == "" and "/" or rest)
end

--- Balancer handler.
function _M.balance()
  balancer.set_timeouts(CONNECT_S, SEND_S, READ_S)
  local ok, err = balancer.set_current_peer(peer.host, peer.port)
  if not ok then
    error("control plane: " .. err)
  end
end

return _M
