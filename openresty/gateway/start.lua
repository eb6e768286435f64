-- What the master and each worker do once at their start.

local config_reader = require "gateway.config"

local _M = {}

-- A gateway without the script would limit for itself alone and nobody would know.
local function read_script(path)
  local file, err = io.open(path)
  if not file then
    error("SLUICE: " .. err, 0)
  end
  local text = file:read("*a")
  file:close()
  return text
end

--- In the master: check the environment before any worker exists. A wrong value stops nginx. root: the tree;
-- port: where it serves shoppers.
function _M.master(root, port)
  _M.config = config_reader.read(os.getenv, port)
  require "gateway.rate_limit" -- maps memory that the workers share
  require "gateway.buy" -- conf/sites/sale.conf finds it in package.loaded
  _M.config.limits_script = read_script(root .. "/lua/charge_limits.lua")
  _M.config.limits_script_sha = string.gsub(ngx.sha1_bin(_M.config.limits_script), ".", function(char)
    return string.format("%02x", string.byte(char))
  end)
end

--- In each worker: wire the modules to the configuration and start their timers.
function _M.worker()
  local config = _M.config
  require("gateway.metrics").start()
  require("gateway.breaker").configure(config)
  require("gateway.events").start(config)
  require("gateway.otlp").start(config)
  require("gateway.refusal_log").start(config)
  require("gateway.lease").configure(config)
  require("gateway.batch").configure(config)
  require("gateway.sources").configure(config)
  require("gateway.reservation_id").configure(config)
  require("gateway.reservation").configure(config)
  require("gateway.work_redis").configure(config)
  require("gateway.limit_sync").start(config)
  require("gateway.velocity").configure(config)
  require("gateway.bans").start()
  require("gateway.upstreams").configure(config)
  require("gateway.console").configure(config)
  require("gateway.draw_record").configure(config)
  require("gateway.queue.line").configure(config)
  require("gateway.queue.lobby").configure(config)
  require("gateway.snapshot").start(config)
  require("gateway.heartbeat").start(config)
end

return _M
