-- The lease: how long ago this gateway last knew that its configuration was the newest (DESIGN §5, §8).
--
-- When operators switch the stock source by force, the new source sells once every gateway's lease is over.
-- A gateway that is cut off from the control plane does not hear of the switch; under
-- SLUICE_WITHOUT_LEASE=refuse it stops by itself, under `sell` PostgreSQL decides what its sales are worth.

local ffi = require "ffi"

ffi.cdef [[
typedef struct { long tv_sec; long tv_nsec; } sluice_timespec;
int clock_gettime(int clock, sluice_timespec *now);
]]

local CLOCK_MONOTONIC = 1 -- <time.h> on Linux; the same in every process of a host
local MS_PER_S, NS_PER_MS = 1000, 1e6

local now = ffi.new("sluice_timespec")

local _M = {}

local refuses_without = false
local lease_ms = 0
local heard_at_ms -- nil until something was heard

--- config: gateway.config's table. Called once in each worker.
function _M.configure(config)
  refuses_without = config.without_lease == "refuse"
end

--- Milliseconds that nobody can set: a clock that is put back must not make a lease longer. Asks the
-- system each time, because nginx's time stands still while a worker does.
function _M.now_ms()
  ffi.C.clock_gettime(CLOCK_MONOTONIC, now)
  return tonumber(now.tv_sec) * MS_PER_S + math.floor(tonumber(now.tv_nsec) / NS_PER_MS)
end

--- What this worker runs was the newest at `at_ms` (of now_ms; nil: never heard), and that holds for
-- `length_ms`.
function _M.renew(at_ms, length_ms)
  heard_at_ms, lease_ms = at_ms, length_ms
end

--- Whether this gateway must not sell from a stock Redis now.
function _M.is_over()
  return refuses_without and (not heard_at_ms or _M.now_ms() - heard_at_ms > lease_ms)
end

return _M
