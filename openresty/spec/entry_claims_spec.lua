-- gateway.entry_claims: it reads what the edge writes, and whatever it reads the parser reads too.

local cjson = require "cjson.safe"
local entry_claims = require "gateway.entry_claims"
local ffi = require "ffi"

local SIGNED = { "aud", "sub", "item", "dev", "lvl", "rs", "pz", "nbf", "exp" }
local PLAIN = '{"iss":"sluice-edge","aud":"sluice-gateway","sub":"ann","item":7,"dev":"device-0001",'
  .. '"lvl":"regular","rs":0,"jti":"AAAAAAAAAAAAAAAAAAAAAA","nbf":1795348800,"iat":1795348800,'
  .. '"exp":1795348920}'
local PUZZLE = PLAIN:gsub('"rs":0', '"rs":0,"pz":1795350600')

local function read(text)
  local room = ffi.new("unsigned char[?]", #text + 64) -- as gateway.payload has it behind the text
  ffi.copy(room, text, #text)
  return entry_claims.read(room, #text)
end

-- Whether a reader of JSON, strict about what a claim may be, says the same.
local function agrees(text)
  local claims, iat = read(text)
  local parsed = cjson.decode(text)
  if not claims then
    return true -- it is left to the parser
  end
  for _, name in ipairs(SIGNED) do
    if type(parsed) ~= "table" or parsed[name] ~= claims[name] then
      return false
    end
  end
  return parsed.iat == iat and parsed.iss == "sluice-edge" and #parsed.dev >= 8 and #parsed.jti >= 1
    and not (parsed.sub .. parsed.dev .. parsed.lvl .. parsed.jti):find("[^%w%._:%-]")
end

it("reads every good golden token whose claims stand as the edge writes them", function()
  local file = assert(io.open("tests/vectors/entry_tokens.json"))
  local vectors = assert(cjson.decode(file:read("*a")))
  file:close()
  local base64 = require "ngx.base64"
  for _, vector in ipairs(vectors.valid) do
    local text = base64.decode_base64url(vector.token:match("%.([^.]+)%."))
    local claims = assert.is_table(read(text))
    for _, name in ipairs(SIGNED) do
      assert.equal(vector.claims[name], claims[name])
    end
  end
end)

for what, text in pairs({ ["no puzzle"] = PLAIN, ["a puzzle"] = PUZZLE }) do
  it("never reads another thing than the parser, whichever byte is other or gone, with " .. what, function()
    assert.is_table(read(text))
    local bytes = {
      "\0", '"', "\\", " ", "{", "}", ",", ":", "-", "+", ".", "0", "9", "a", "p", "Z", "\127", "\200",
    }
    for i = 1, #text do
      local before, this, after = text:sub(1, i - 1), text:sub(i, i), text:sub(i + 1)
      assert.is_true(agrees(before .. after), "lost " .. i)
      assert.is_true(agrees(before .. this .. this .. after), "doubled " .. i)
      for _, byte in ipairs(bytes) do
        assert.is_true(agrees(before .. byte .. after), "changed " .. i .. " to " .. byte)
      end
    end
  end)

  it("leaves to the parser what is cut, and what goes on, with " .. what, function()
    for length = 0, #text - 1 do
      assert.is_nil(read(text:sub(1, length)))
    end
    for _, rest in ipairs({ " ", "}", "\0", ',"a":1}' }) do
      assert.is_nil(read(text .. rest))
    end
  end)
end

it("reads until when a puzzle counts, and nothing where none was passed", function()
  assert.equal(1795350600, read(PUZZLE).pz)
  assert.is_nil(read(PLAIN).pz)
end)

for name, pair in pairs({
  ["a number that begins with 0"] = { '"item":7', '"item":07' },
  ["a number beyond 2^53"] = { '"item":7', '"item":9007199254740993' },
  ["a negative number"] = { '"rs":0', '"rs":-1' },
  ["a fraction"] = { '"rs":0', '"rs":0.5' },
  ["a blank before a number"] = { '"rs":0', '"rs": 0' },
  ["a short device"] = { "device-0001", "device7" },
  ["a long shopper"] = { '"ann"', '"' .. string.rep("a", 65) .. '"' },
  ["an escape"] = { '"ann"', '"\\u0061nn"' },
  ["a puzzle that is text"] = { '"rs":0', '"rs":0,"pz":"1795350600"' },
  ["a puzzle that is a fraction"] = { '"rs":0', '"rs":0,"pz":1.5' },
  ["a puzzle that is null"] = { '"rs":0', '"rs":0,"pz":null' },
  ["two puzzles"] = { '"rs":0', '"rs":0,"pz":1,"pz":2' },
  ["a puzzle at another place"] = { '"exp":1795348920', '"exp":1795348920,"pz":1795350600' },
  ["another claim of that letter"] = { '"rs":0', '"rs":0,"pq":1' },
  ["another order"] = { '"nbf":1795348800,"iat":1795348800', '"iat":1795348800,"nbf":1795348800' },
}) do
  it("leaves to the parser " .. name, function()
    local from, to = PLAIN:find(pair[1], 1, true)
    assert.is_nil(read(PLAIN:sub(1, from - 1) .. pair[2] .. PLAIN:sub(to + 1)))
  end)
end
