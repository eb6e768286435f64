-- HTTP/1.1 on a cosocket, one request a connection, for the control plane. Debian 12 packages no HTTP client
-- for Lua.

local ngx = ngx
local match = string.match

local CONNECT_TIMEOUT_MS, SEND_TIMEOUT_MS = 1000, 1000
local BODY_MAX = 16 * 1024 * 1024 -- the shared memory for snapshots

local _M = {}

--- target: {host, port}; timeout_ms: for each part of the answer. Returns a socket, or nil and the error.
function _M.connect(target, timeout_ms)
  local sock = ngx.socket.tcp()
  sock:settimeouts(CONNECT_TIMEOUT_MS, SEND_TIMEOUT_MS, timeout_ms)
  local ok, err = sock:connect(target.host, target.port)
  if not ok then
    return nil, err
  end
  return sock
end

local function request_text(method, target, path, headers, body)
  local lines = {
    method .. " " .. path .. " HTTP/1.1",
    "Host: " .. target.host .. ":" .. target.port,
    "Connection: close",
  }
  for name, value in pairs(headers) do
    lines[#lines + 1] = name .. ": " .. value
  end
  if body then
    lines[#lines + 1] = "Content-Length: " .. #body
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or "")
end

-- RFC 9112 §7.1; trailers are not read, because the connection is closed.
local function read_chunks(sock)
  local chunks, size = {}, 0
  while true do
    local line, err = sock:receive()
    local digits = line and match(line, "^%x+")
    local length = digits and tonumber(digits, 16)
    if not length or size + length > BODY_MAX then
      return nil, err or "not a chunk"
    end
    if length == 0 then
      return table.concat(chunks)
    end
    local data
    data, err = sock:receive(length + 2)
    if not data then
      return nil, err
    end
    chunks[#chunks + 1] = string.sub(data, 1, length)
    size = size + length
  end
end

local function read_response(sock)
  local line, err = sock:receive()
  if not line then
    return nil, err
  end
  local status = tonumber(match(line, "^HTTP/1%.[01] (%d%d%d)"))
  if not status then
    return nil, "not HTTP: " .. line
  end
  local length, chunked
  repeat
    line, err = sock:receive()
    if not line then
      return nil, err
    end
    local name, value = match(line, "^([%w%-]+): *(.-) *$")
    name = name and string.lower(name)
    if name == "content-length" then
      length = tonumber(match(value, "^%d+$"))
    elseif name == "transfer-encoding" then
      chunked = string.lower(value) == "chunked"
    end
  until line == ""
  if status == 204 or status == 304 or length == 0 then
    return status, ""
  end
  local body
  if chunked then
    body, err = read_chunks(sock)
  else
    -- Without a length the body ends with the connection, which we asked to be closed.
    body, err = sock:receive(length or "*a")
  end
  if not body then
    return nil, err
  end
  return status, body
end

--- Send one request on a socket of `connect` and read the answer; the socket is closed. headers: name →
-- value; body: string or nil. Returns status and body, or nil and the error: it may have been received.
function _M.exchange(sock, method, target, path, headers, body)
  local status, answer
  local sent, err = sock:send(request_text(method, target, path, headers, body))
  if sent then
    status, answer = read_response(sock)
  end
  sock:close()
  if not sent then
    return nil, err
  end
  return status, answer
end

--- A GET on a connection of its own. Returns status and body, or nil and the error.
function _M.get(target, path, headers, timeout_ms)
  local sock, err = _M.connect(target, timeout_ms)
  if not sock then
    return nil, err
  end
  return _M.exchange(sock, "GET", target, path, headers)
end

return _M
