-- gateway.payload against the encoder of ngx.base64.

local base64 = require "ngx.base64"
local ffi = require "ffi"
local payload = require "gateway.payload"

local SALT = "Az09-_xy"

local function bytes_of(text)
  return ffi.cast("const unsigned char *", text)
end

local function text_of(encoded, salt)
  local _, count = payload.decode(bytes_of(encoded), #encoded)
  return count and payload.text(count, bytes_of(salt or SALT))
end

describe("a payload", function()
  it("of any length comes out as it went in, between eight blanks", function()
    for length = 0, 300 do
      local text = "{" .. string.rep("a\1\255z", 80):sub(1, length)
      local found = text_of(base64.encode_base64url(text))
      assert.equal(text, found:sub(5, -5))
      assert.is_truthy(found:sub(1, 4):find("^[ \t\n\r]+$"))
      assert.is_truthy(found:sub(-4):find("^[ \t\n\r]+$"))
    end
  end)

  it("has other blanks with another signature", function()
    local encoded = base64.encode_base64url('{"a":1}')
    local one = text_of(encoded, "AAAAAAAA")
    local other = text_of(encoded, "BBBBBBBB")
    assert.not_equal(one, other)
    assert.equal(one:sub(5, -5), other:sub(5, -5))
  end)

  it("is refused when a byte is none of the alphabet", function()
    local encoded = base64.encode_base64url('{"a":1,"b":2}')
    for i = 1, #encoded do
      for _, stranger in ipairs({ "=", "+", "/", " ", "\0", "\255", "." }) do
        assert.is_nil(text_of(encoded:sub(1, i - 1) .. stranger .. encoded:sub(i + 1)))
      end
    end
  end)

  it("is refused when it is cut or has bits behind its end", function()
    assert.is_nil(text_of("e30A="))
    assert.is_nil(text_of("e30B" .. "e"))
    assert.is_nil(text_of(""))
    assert.is_nil(text_of("e31")) -- "{}" is e30
    assert.is_nil(text_of("ex")) -- "{" is ew
    assert.is_truthy(text_of("e30"))
    assert.is_truthy(text_of("ew"))
  end)

  it("is refused when it is no object", function()
    for _, text in ipairs({ "[]", " {}", '"{"', "1" }) do
      assert.is_nil(text_of(base64.encode_base64url(text)))
    end
  end)
end)
