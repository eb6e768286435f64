-- A cosocket whose peer has already said everything: `received` bytes, then the connection is closed.

local _M = {}
_M.__index = _M

function _M.new(received)
  return setmetatable({ rest = received, sent = {} }, _M)
end

function _M:send(data)
  self.sent[#self.sent + 1] = type(data) == "table" and table.concat(data) or data
  return #self.sent[#self.sent]
end

--- pattern: nil for a line, a number of bytes, or "*a", as lua-nginx-module has them.
function _M:receive(pattern)
  local data
  if pattern == "*a" then
    data, self.rest = self.rest, ""
    return data
  elseif pattern then
    if #self.rest < pattern then
      return nil, "closed"
    end
    data, self.rest = self.rest:sub(1, pattern), self.rest:sub(pattern + 1)
    return data
  end
  local line, rest = self.rest:match("^([^\n]*)\n(.*)$")
  if not line then
    return nil, "closed"
  end
  self.rest = rest
  return (line:gsub("\r", ""))
end

function _M.connect() return true end

function _M:close() self.closed = true end

function _M.settimeouts() end

function _M.getreusedtimes() return 0 end

return _M
