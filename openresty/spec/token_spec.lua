-- gateway.token and gateway.steps.token against the golden vectors, which the edge worker writes.

local cjson = require "cjson.safe"
local ffi = require "ffi"
local token = require "gateway.token"
local step = require "gateway.steps.token"

local function read_vectors()
  local file = assert(io.open("tests/vectors/entry_tokens.json"))
  local vectors = assert(cjson.decode(file:read("*a")))
  file:close()
  return vectors
end

local vectors = read_vectors()

local function verify(keys, text, now_s, grace_s)
  return token.verify(keys, ffi.cast("const unsigned char *", text), #text, now_s, grace_s)
end

describe("a golden token", function()
  local keys

  before_each(function()
    keys = token.key_set(vectors.keys)
    ngx.time = function() return vectors.now end
  end)

  local function refusal(text)
    ngx.var.http_authorization = "Bearer " .. text
    return step({ view = { entry_keys = keys }, item = { id = vectors.item } })
  end

  it("exists in numbers worth the name", function()
    assert.is_true(#vectors.valid >= 10 and #vectors.invalid >= 80)
  end)

  for _, vector in ipairs(vectors.valid) do
    it("is accepted: " .. vector.name, function()
      for name, value in pairs(assert.is_table((verify(keys, vector.token, vectors.now, 0)))) do
        assert.equal(vector.claims[name], value)
      end
      assert.is_nil(refusal(vector.token))
    end)
  end

  for _, vector in ipairs(vectors.invalid) do
    it("is refused: " .. vector.name, function()
      assert.equal("bad_token", refusal(vector.token))
      -- Also once a good token has put its header among the known ones.
      assert.is_nil(refusal(vectors.valid[1].token))
      assert.equal("bad_token", refusal(vector.token))
    end)
  end

  it("is known the second time, and its times count all the same", function()
    local text, claims = vectors.valid[1].token, vectors.valid[1].claims
    verify(keys, text, vectors.now, 0) -- the first time it is only noted
    local known = verify(keys, text, vectors.now, 0)
    assert.equal(known, (verify(keys, text, vectors.now, 0)))
    local accepted, reason = verify(keys, text, claims.exp + token.LEEWAY_S, 0)
    assert.is_nil(accepted)
    assert.equal("expired", reason)
    accepted, reason = verify(keys, text, claims.nbf - token.LEEWAY_S - 1, 0)
    assert.is_nil(accepted)
    assert.equal("not valid yet", reason)
  end)

  it("is forgotten with its key, and not with any other change", function()
    local text = vectors.valid[1].token
    local shared = token.shared_key_set(vectors.keys)
    local known = verify(shared, text, vectors.now, 0)
    assert.equal(shared, token.shared_key_set(cjson.decode(cjson.encode(vectors.keys))))
    local others = {}
    for _, key in ipairs(vectors.keys) do
      others[#others + 1] = { kid = key.kid, secret = string.rep("A", 43) }
    end
    local changed = token.shared_key_set(others)
    assert.not_equal(shared, changed)
    assert.is_table(known)
    assert.is_nil((verify(changed, text, vectors.now, 0)))
  end)

  it("is not taken for another one that ends alike", function()
    local text = vectors.valid[1].token
    for _ = 1, 2 do
      verify(keys, text, vectors.now, 0)
    end
    local first = text:find(".", 1, true)
    local other = text:sub(1, first) .. "A" .. text:sub(first + 2)
    assert.is_nil((verify(keys, other, vectors.now, 0)))
    assert.is_nil((verify(keys, text .. text:sub(-7), vectors.now, 0)))
  end)

  it("is one of a bounded number of known ones", function()
    local text = vectors.valid[1].token
    verify(keys, text, vectors.now, 0)
    local first = verify(keys, text, vectors.now, 0)
    assert.equal(first, (verify(keys, text, vectors.now, 0)))
    for _ = 1, 2 do -- two generations of others
      keys.young_count = 4096
      for _ = 1, 2 do
        verify(keys, vectors.valid[2].token, vectors.now, 0)
      end
      for place, known in pairs(keys.young) do
        if known.text == vectors.valid[2].token then
          keys.young[place] = nil
        end
      end
    end
    local again = verify(keys, text, vectors.now, 0)
    assert.same(first, again)
    assert.not_equal(first, again)
  end)

  it("is read for an hour after it has ended, and not longer", function()
    local text, claims = vectors.valid[1].token, vectors.valid[1].claims
    local last = claims.exp + token.LEEWAY_S + 3600 - 1
    assert.is_table(verify(keys, text, last, 3600))
    local accepted, reason = verify(keys, text, last + 1, 3600)
    assert.is_nil(accepted)
    assert.equal("expired", reason)
  end)

  it("is not read before its time, whatever the grace", function()
    local text, claims = vectors.valid[1].token, vectors.valid[1].claims
    assert.is_table(verify(keys, text, claims.nbf - token.LEEWAY_S, 3600))
    assert.is_nil(verify(keys, text, claims.nbf - token.LEEWAY_S - 1, 3600))
  end)

  it("is refused once its key is gone", function()
    local others = token.key_set({ vectors.keys[2] })
    assert.is_nil(verify(others, vectors.valid[1].token, vectors.now, 0))
  end)
end)

describe("the bearer", function()
  for name, header in pairs({
    ["is missing"] = false,
    ["has no scheme"] = vectors.valid[1].token,
    ["is basic"] = "Basic " .. vectors.valid[1].token,
    ["is written small"] = "bearer " .. vectors.valid[1].token,
    ["has two spaces"] = "Bearer  " .. vectors.valid[1].token,
    ["is a list"] = "Bearer " .. vectors.valid[1].token .. ", Bearer x",
  }) do
    it(name .. " and is refused", function()
      ngx.time = function() return vectors.now end
      ngx.var.http_authorization = header or nil
      local keys = token.key_set(vectors.keys)
      assert.equal("bad_token", step({ view = { entry_keys = keys }, item = { id = 7 } }))
    end)
  end
end)

describe("the key set", function()
  local good = vectors.keys[1]
  for name, key in pairs({
    ["a secret of 31 bytes"] = { kid = "e", secret = string.rep("A", 41) .. "A" },
    ["a secret that is no base64url"] = { kid = "e", secret = string.rep("+", 43) },
    ["no secret"] = { kid = "e" },
    ["no kid"] = { secret = good.secret },
    ["a kid that is a number"] = { kid = 1, secret = good.secret },
  }) do
    it("refuses " .. name, function()
      assert.has_error(function() token.key_set({ good, key }) end)
    end)
  end
end)
