-- Which version of the control plane answers a request of the console: blue or green.
--
-- Green gets the share that the switch `console_canary_percent` says, by a cookie, so that a person sees one
-- version as long as the share stands. A breaker takes green out when it fails and asks it by itself whether
-- it is back. Blue has none: there is nobody else to ask. All workers of a gateway share what is known.

local balancer = require "ngx.balancer"
local http = require "gateway.http"
local metrics = require "gateway.metrics"
local snapshot = require "gateway.snapshot"

local ngx = ngx
local match = string.match

-- In a row, over all workers. One may be a page's own fault.
local FAILURES_MAX = 3
local PROBE_S, PROBE_TIMEOUT_MS = 1, 2000
local PROBE_PATH = "/readyz" -- asks its databases too
-- Connecting is local. A page may take long, but not so long that green, which is new, keeps a person
-- waiting before blue is asked.
local CONNECT_S, SEND_S, READ_S = 1, 5, { blue = 60, green = 10 }
-- 1,000 distinct places make shares of a tenth of a percent.
local PLACES = 1000

local _M = {}

local peers

--- Whether the pool of a visitor with this id is green at this share. id: any text; percent: 0…100, where 0
-- and 100 are exact. Raising the share moves nobody from green to blue.
function _M.is_green(id, percent)
  return ngx.crc32_short(id) % PLACES < percent / 100 * PLACES
end

--- Choose for the visitor with this id: "blue" or "green".
function _M.choose(id)
  local view = snapshot.current()
  if not peers.green or not view or not _M.is_green(id, view.console_canary_percent) then
    return "blue"
  end
  return ngx.shared.sluice_console:get("open") and "blue" or "green"
end

--- Balancer handler of the console. A request that green could not answer goes to blue, if nginx lets it be
-- sent again at all (proxy_next_upstream).
function _M.balance()
  local ctx = ngx.ctx
  local pool = ctx.pool or "blue"
  if ctx.tried_green then
    pool = "blue"
  elseif pool == "green" then
    ctx.tried_green = true
    balancer.set_more_tries(1)
  end
  balancer.set_timeouts(CONNECT_S, SEND_S, READ_S[pool])
  local ok, err = balancer.set_current_peer(peers[pool].host, peers[pool].port)
  if not ok then
    error("control plane " .. pool .. ": " .. err)
  end
end

local function open(shared)
  shared:set("open", true)
  metrics.count("console_breaker", "opened")
  ngx.log(ngx.ERR, "green control plane failed ", FAILURES_MAX, " times in a row: everybody gets blue")
end

--- What the first answer of green says of green. To be called before the visitor hears anything, so that his
-- next request is counted after this one.
function _M.judge()
  local pool = ngx.var.sluice_console_pool
  if pool == "" then
    return -- refused before a version was chosen
  end
  metrics.count("console", pool)
  -- "502, 200": one status a try; none where the firewall refused.
  local status = pool == "green" and tonumber(match(ngx.var.upstream_status or "", "^%d+"))
  if not status then
    return
  end
  local shared = ngx.shared.sluice_console
  if status < 500 then
    shared:set("failures", 0)
  elseif shared:incr("failures", 1, 0) >= FAILURES_MAX and not shared:get("open") then
    open(shared)
  end
end

-- While the breaker is open: is green back? Nobody's request is spent on finding out.
local function probe(premature)
  local shared = ngx.shared.sluice_console
  if premature or not shared:get("open") then
    return
  end
  if http.get(peers.green, PROBE_PATH, {}, PROBE_TIMEOUT_MS) == 200 then
    -- Half open: its next answer decides. A healthy probe does not prove that pages work.
    shared:set("failures", FAILURES_MAX - 1)
    shared:delete("open")
    metrics.count("console_breaker", "closed")
  end
end

--- config: gateway.config's table.
function _M.configure(config)
  peers = { blue = config.control_plane, green = config.control_plane_green }
  if peers.green and ngx.worker.id() == 0 then
    local ok, err = ngx.timer.every(PROBE_S, probe)
    if not ok then
      error("probe of the green control plane: " .. err)
    end
  end
end

return _M
