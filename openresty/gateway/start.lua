-- What the master and each worker do once at their start.

local config_reader = require "gateway.config"

local _M = {}

--- In the master: check the environment before any worker exists. A wrong value stops nginx.
function _M.master()
  _M.config = config_reader.read(os.getenv)
end

--- In each worker: wire the modules to the configuration and start their timers.
function _M.worker()
  local config = _M.config
  require("gateway.metrics").start()
  require("gateway.events").start(config)
  require("gateway.lease").configure(config)
  require("gateway.batch").configure(config)
  require("gateway.sources").configure(config)
  require("gateway.reservation_id").configure(config)
  require("gateway.reservation").configure(config)
  require("gateway.snapshot").start(config)
end

return _M
