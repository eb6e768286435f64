-- gateway.hmac against RFC 4231 §4 (case 5 is about truncation, which is not ours).

local base64 = require "ngx.base64"
local ffi = require "ffi"
local hmac = require "gateway.hmac"

local function hex(bytes)
  return (bytes:gsub(".", function(char) return string.format("%02x", char:byte()) end))
end

local function bytes_from(first, last)
  local out = {}
  for byte = first, last do
    out[#out + 1] = string.char(byte)
  end
  return table.concat(out)
end

local CASES = {
  { "1", string.rep("\11", 20), "Hi There",
    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
  { "2", "Jefe", "what do ya want for nothing?",
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
  { "3", string.rep("\170", 20), string.rep("\221", 50),
    "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
  { "4", bytes_from(1, 25), string.rep("\205", 50),
    "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
  { "6", string.rep("\170", 131), "Test Using Larger Than Block-Size Key - Hash Key First",
    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
  { "7", string.rep("\170", 131),
    "This is a test using a larger than block-size key and a larger than block-size data. "
      .. "The key needs to be hashed before being used by the HMAC algorithm.",
    "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2" },
}

describe("HMAC-SHA256", function()
  for _, case in ipairs(CASES) do
    it("gives the digest of test case " .. case[1], function()
      assert.equal(case[4], hex(hmac.new(case[2])(case[3])))
    end)
  end

  it("gives the same digest again, and of several keys in turn", function()
    local one, two = hmac.new(CASES[1][2]), hmac.new(CASES[2][2])
    for _ = 1, 3 do
      assert.equal(CASES[1][4], hex(one(CASES[1][3])))
      assert.equal(CASES[2][4], hex(two(CASES[2][3])))
    end
  end)

  it("of a message in pieces is that of the whole, in letters", function()
    local mac, letters_of = hmac.new("k")
    local letters = base64.encode_base64url(mac("one two"))
    assert.equal(letters, letters_of({ "one", "", " ", "two" }, 43))
    assert.equal(letters:sub(1, 22), letters_of({ "one two" }, 22))
  end)

  it("is known behind a text, and nothing else is", function()
    local mac, _, is_signed = hmac.new("k")
    local letters = base64.encode_base64url(mac("text"))
    local function signed(text, count)
      return is_signed(ffi.cast("const unsigned char *", text), count, #text)
    end
    assert.is_true(signed("text." .. letters, 4))
    assert.is_false(signed("texts" .. letters, 5))
    assert.is_false(signed("text." .. letters .. "=", 4))
    assert.is_false(signed("text." .. letters:sub(1, -2), 4))
    assert.is_false(signed("text.", 4))
    for i = 1, #letters do
      local other = letters:sub(i, i) == "A" and "B" or "A"
      assert.is_false(signed("text." .. letters:sub(1, i - 1) .. other .. letters:sub(i + 1), 4))
    end
  end)

  it("takes an empty message and bytes of every value", function()
    local mac = hmac.new("k")
    assert.equal(32, #mac(""))
    assert.are_not.equal(mac("\0"), mac(""))
    assert.are_not.equal(mac("\0\1"), mac("\0\2"))
  end)

  for name, key in pairs({ ["an empty key"] = "", ["a number"] = 7, ["nothing"] = false }) do
    it("refuses " .. name, function()
      assert.has_error(function() hmac.new(key or nil) end, "an HMAC key is a non-empty string")
    end)
  end
end)

describe("the comparison", function()
  it("is true for equal texts only", function()
    assert.is_true(hmac.equal("", ""))
    assert.is_true(hmac.equal("a\0b", "a\0b"))
    assert.is_false(hmac.equal("abc", "abd"))
    assert.is_false(hmac.equal("xbc", "abc"))
    assert.is_false(hmac.equal("abc", "ab"))
    assert.is_false(hmac.equal("", "a"))
  end)
end)
