-- Connections to the work Redis: projections, limits over all gateways, bans. No purchase waits for it.

local ok_resty, redis = pcall(require, "resty.redis")
if not ok_resty then
  redis = require "nginx.redis"
end

local KEEPALIVE_MS, POOL_SIZE = 60000, 64

local _M = {}

local work

--- config: gateway.config's table. Called once in each worker.
function _M.configure(config)
  work = config.work_redis
end

--- A client of lua-resty-redis, authenticated, out of the pool where one is left. timeout_ms: for connecting
-- and for each answer. Returns nil and the error.
function _M.connect(timeout_ms)
  local client = redis:new()
  client:set_timeout(timeout_ms)
  local ok, err = client:connect(work.host, work.port, { pool = "work" })
  if ok and client:get_reused_times() == 0 then
    if work.password then
      ok, err = client:auth(work.user ~= "" and work.user or "default", work.password)
    end
    if ok then
      ok, err = client:select(work.db)
    end
  end
  if not ok then
    client:close() -- an answer may still come
    return nil, err
  end
  return client
end

--- Give a client back whose every answer was read.
function _M.keep(client)
  if not client:set_keepalive(KEEPALIVE_MS, POOL_SIZE) then
    client:close() -- something is unread
  end
end

return _M
