-- gateway.http: one GET, as the snapshot channel needs it.

local http = require "gateway.http"
local scripted_socket = require "spec.support.scripted_socket"

local TARGET = { host = "127.0.0.1", port = 8000 }

local function get(received)
  local sock = scripted_socket.new(received)
  ngx.socket.tcp = function() return sock end
  local status, body = http.get(TARGET, "/x?after=3", { Authorization = "Bearer t" }, 1000)
  return status, body, sock
end

it("asks with the headers it was given and closes", function()
  local _, _, sock = get("HTTP/1.1 304 Not Modified\r\n\r\n")
  assert.equal(
    "GET /x?after=3 HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nConnection: close\r\n"
      .. "Authorization: Bearer t\r\n\r\n", table.concat(sock.sent))
  assert.is_true(sock.closed)
end)

it("sends a body with its length", function()
  local sock = scripted_socket.new("HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n")
  local status = http.exchange(sock, "POST", TARGET, "/y", { X = "1" }, "{秒}")
  assert.equal(409, status)
  assert.equal("POST /y HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nConnection: close\r\nX: 1\r\n"
    .. "Content-Length: 5\r\n\r\n{秒}", table.concat(sock.sent))
  assert.is_true(sock.closed)
end)

for name, case in pairs({
  ["a body in chunks"] = { "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
    .. "5\r\nhello\r\nB;x=y\r\n, and more\n\r\n0\r\n\r\n", 200, "hello, and more\n" },
  ["headers in capitals"] =
    { "HTTP/1.1 200 OK\r\nCONTENT-LENGTH:   5 \r\n\r\nhello, rest", 200, "hello" },
  ["a body of a known length"] =
    { "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello, rest", 200, "hello" },
  ["a body that ends with the connection"] =
    { "HTTP/1.0 200 OK\r\nServer: x\r\n\r\nhello\r\nworld\n", 200, "hello\r\nworld\n" },
  ["an empty body"] = { "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", 401, "" },
  ["nothing new"] = { "HTTP/1.1 304 Not Modified\r\nServer: x\r\n\r\n", 304, "" },
}) do
  it("understands " .. name, function()
    local status, body = get(case[1])
    assert.equal(case[2], status)
    assert.equal(case[3], body)
  end)
end

for name, received in pairs({
  ["a body that breaks off"] = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
  ["headers that break off"] = "HTTP/1.1 200 OK\r\nContent-Le",
  ["silence"] = "",
  ["another protocol"] = "+PONG\r\n",
  ["chunks that break off"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
  ["chunks without an end"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n",
  ["chunks that are none"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n",
  ["chunks without measure"] =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\nhello\r\n",
}) do
  it("gives no body for " .. name, function()
    local status, err = get(received)
    assert.is_nil(status)
    assert.is_string(err)
  end)
end
