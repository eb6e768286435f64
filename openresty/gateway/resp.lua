-- The Redis wire format (RESP2) on a cosocket, for the batch path.
--
-- lua-resty-redis serves everything else. It encodes each argument of each call anew; a batch is made
-- of fragments that were encoded once, by each request.

local sub, tonumber = string.sub, tonumber

local _M = {}

local heads = {} -- length → what stands in front of an argument that is so long
for length = 0, 1024 do
  heads[length] = "$" .. length .. "\r\n"
end

--- What stands in front of an argument of this length; behind it stands "\r\n".
function _M.bulk_head(length)
  return heads[length] or "$" .. length .. "\r\n"
end

--- Encode one argument.
function _M.arg(value)
  value = tostring(value)
  return "$" .. #value .. "\r\n" .. value .. "\r\n"
end

--- Encode a whole command from its arguments.
function _M.command(...)
  local args = { ... }
  local parts = { "*" .. #args .. "\r\n" }
  for i = 1, #args do
    parts[i + 1] = _M.arg(args[i])
  end
  return table.concat(parts)
end

--- Read one reply. Returns value (string, number, list or false for nil), or nil and the text of an
-- error reply and "reply", or nil and the socket's error and "socket". After "socket" the connection
-- holds an unknown rest and must be closed.
function _M.read(sock)
  local line, err = sock:receive()
  if not line then
    return nil, err, "socket"
  end
  local kind, rest = sub(line, 1, 1), sub(line, 2)
  if kind == "+" then
    return rest
  elseif kind == "-" then
    return nil, rest, "reply"
  end
  local number = tonumber(rest)
  if not number then
    return nil, "not RESP: " .. sub(line, 1, 40), "socket"
  elseif kind == ":" then
    return number
  elseif kind == "$" then
    if number == -1 then
      return false
    end
    local data, fault = sock:receive(number + 2)
    if not data then
      return nil, fault, "socket"
    end
    return sub(data, 1, number)
  elseif kind == "*" then
    local list = {}
    for i = 1, number do
      local value, fault = _M.read(sock)
      if value == nil then
        return nil, fault, "socket" -- also an error inside a list: the rest of the list is unread
      end
      list[i] = value
    end
    return list
  end
  return nil, "not RESP: " .. sub(line, 1, 40), "socket"
end

return _M
