-- The time of the current millisecond as a text: many requests have the same.

local ngx = ngx
local format = string.format

local _M = {}

local now_s, text = -1, ""

--- Unix time in ms, as decimal digits.
function _M.now_ms_text()
  local now = ngx.now()
  if now ~= now_s then
    now_s, text = now, format("%d", now * 1000)
  end
  return text
end

return _M
