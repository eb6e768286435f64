-- One HTTP/1.1 GET on a cosocket, for the snapshot channel. Debian 12 packages no HTTP client for Lua.

local ngx = ngx

local CONNECT_TIMEOUT_MS, SEND_TIMEOUT_MS = 1000, 1000

local _M = {}

local function request_text(target, path, headers)
  local lines = {
    "GET " .. path .. " HTTP/1.1",
    "Host: " .. target.host .. ":" .. target.port,
    "Connection: close",
  }
  for name, value in pairs(headers) do
    lines[#lines + 1] = name .. ": " .. value
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

local function read_response(sock)
  local line, err = sock:receive()
  if not line then
    return nil, err
  end
  local status = tonumber(string.match(line, "^HTTP/1%.[01] (%d%d%d)"))
  if not status then
    return nil, "not HTTP: " .. line
  end
  local length
  repeat
    line, err = sock:receive()
    if not line then
      return nil, err
    end
    length = length or tonumber(string.match(line, "^[Cc]ontent%-[Ll]ength: *(%d+)$"))
  until line == ""
  if status == 304 or length == 0 then
    return status, ""
  end
  local body
  -- Without a length the body ends with the connection, which we asked to be closed.
  body, err = sock:receive(length or "*a")
  if not body then
    return nil, err
  end
  return status, body
end

--- target: {host, port}; headers: name → value; timeout_ms: for the answer.
-- Returns status and body, or nil and the error.
function _M.get(target, path, headers, timeout_ms)
  local sock = ngx.socket.tcp()
  sock:settimeouts(CONNECT_TIMEOUT_MS, SEND_TIMEOUT_MS, timeout_ms)
  local ok, err = sock:connect(target.host, target.port)
  if ok then
    ok, err = sock:send(request_text(target, path, headers))
  end
  if not ok then
    return nil, err
  end
  local status, body = read_response(sock)
  sock:close()
  return status, body
end

return _M
