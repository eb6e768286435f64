-- gateway.resp: the Redis wire format, RESP2.

local resp = require "gateway.resp"
local scripted_socket = require "spec.support.scripted_socket"

local function read(received)
  local sock = scripted_socket.new(received)
  local value, err, where = resp.read(sock)
  return value, err, where, sock.rest
end

describe("writing", function()
  it("counts bytes", function()
    assert.equal("$0\r\n\r\n", resp.arg(""))
    assert.equal("$2\r\n17\r\n", resp.arg(17))
    assert.equal("$6\r\n秒杀\r\n", resp.arg("秒杀"))
    assert.equal("$4\r\na\r\nb\r\n", resp.arg("a\r\nb"))
  end)

  it("puts a command together", function()
    assert.equal("*3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$1\r\np\r\n", resp.command("AUTH", "u", "p"))
  end)
end)

describe("reading", function()
  local VALUES = {
    ["a status"] = { "+OK\r\n", "OK" },
    ["an integer"] = { ":-42\r\n", -42 },
    ["a text"] = { "$5\r\nhello\r\n", "hello" },
    ["a text with line ends"] = { "$6\r\na\r\nb\r\n\r\n", "a\r\nb\r\n" },
    ["an empty text"] = { "$0\r\n\r\n", "" },
    ["nil"] = { "$-1\r\n", false },
    ["a list"] = { "*2\r\n$2\r\nRA\r\n$1\r\n2\r\n", { "RA", "2" } },
    ["a list in a list"] = { "*2\r\n*1\r\n:1\r\n$-1\r\n", { { 1 }, false } },
    ["an empty list"] = { "*0\r\n", {} },
  }
  for name, case in pairs(VALUES) do
    it("understands " .. name .. " and leaves what follows", function()
      local value, err, _, rest = read(case[1] .. "+NEXT\r\n")
      assert.is_nil(err)
      assert.same(case[2], value)
      assert.equal("+NEXT\r\n", rest)
    end)
  end

  it("tells an error reply from a lost connection", function()
    local value, err, where = read("-FENCED epoch 1 is not armed here\r\n")
    assert.is_nil(value)
    assert.equal("FENCED epoch 1 is not armed here", err)
    assert.equal("reply", where)
  end)

  for name, received in pairs({
    ["says nothing"] = "",
    ["breaks off in a line"] = "+O",
    ["breaks off before a text"] = "$5\r\n",
    ["breaks off in a text"] = "$5\r\nhel",
    ["breaks off in a list"] = "*2\r\n$1\r\na\r\n",
    ["speaks something else"] = "HTTP/1.1 400 Bad Request\r\n",
    ["gives a length that is none"] = "$x\r\n",
    ["gives a number that is none"] = ":x\r\n",
    ["gives a count that is none"] = "*x\r\n",
    ["has an error inside of a list"] = "*2\r\n-ERR x\r\n$1\r\na\r\n",
  }) do
    it("gives the connection up when the peer " .. name, function()
      local value, err, where = read(received)
      assert.is_nil(value)
      assert.is_string(err)
      assert.equal("socket", where)
    end)
  end
end)
