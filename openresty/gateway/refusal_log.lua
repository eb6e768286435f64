-- Which refusals get a line in the access log: of each outcome the first few in a second.
--
-- A crowd is refused a hundred times as often as it is served, and the thousandth line of a second says what
-- the first one did. What is left out is counted by outcome (metrics) and said in the error log. Purchases
-- that succeed, wait or are not clear are always written.

local metrics = require "gateway.metrics"

local ngx = ngx

local TELL_EVERY_S = 10

local _M = {}

local per_s = math.huge -- until it is started
local second, written = -1, {} -- outcome → lines of this second
local left_out = {} -- outcome → since it was told

--- Whether a refusal that happens now is written. code: its outcome.
function _M.is_written(code)
  local now = ngx.time()
  if now ~= second then
    second, written = now, {}
  end
  local count = (written[code] or 0) + 1
  written[code] = count
  if count <= per_s then
    return true
  end
  left_out[code] = (left_out[code] or 0) + 1
  metrics.count("refusals_unwritten", code)
  return false
end

--- Say what was left out since the last time, if anything was.
function _M.tell()
  local parts = {}
  for code, count in pairs(left_out) do
    parts[#parts + 1] = code .. " " .. count
  end
  if #parts > 0 then
    table.sort(parts)
    left_out = {}
    ngx.log(ngx.WARN, "refusals without a line of their own: ", table.concat(parts, ", "))
  end
end

--- Start this worker's timer. config: gateway.config's table.
function _M.start(config)
  per_s = config.refusals_logged_per_s
  local ok, err = ngx.timer.every(TELL_EVERY_S, _M.tell)
  if not ok then
    error("refusal log timer: " .. err)
  end
end

return _M
