-- gateway.queue.places and gateway.queue.ticket against the golden vectors, which Python writes.

local cjson = require "cjson.safe"
local places = require "gateway.queue.places"
local ticket = require "gateway.queue.ticket"

local function read_vectors(name)
  local file = assert(io.open("tests/vectors/" .. name .. ".json"))
  local vectors = assert(cjson.decode(file:read("*a")))
  file:close()
  return vectors
end

local function bytes_of(hex)
  return (hex:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

describe("a golden draw", function()
  for _, draw in ipairs(read_vectors("draw_places").draws) do
    it("of " .. draw.size .. " has these places", function()
      local place_of = places.new(bytes_of(draw.seed), draw.item, draw.bucket, draw.size)
      local found = {}
      for i, number in ipairs(draw.numbers) do
        found[i] = place_of(number)
      end
      assert.same(draw.places, found)
      assert.is_nil(place_of(draw.size))
      assert.is_nil(place_of(-1))
      assert.is_nil(place_of(0.5))
    end)
  end

  it("gives every place once, around the powers of two", function()
    for power = 0, 10 do
      for size = math.max(2 ^ power - 1, 0), 2 ^ power + 1 do
        local place_of, seen = places.new("another seed", 7, 0, size), {}
        for number = 0, size - 1 do
          local place = place_of(number)
          assert.is_true(place >= 0 and place < size and not seen[place])
          seen[place] = true
        end
      end
    end
  end)
end)

describe("a golden ticket", function()
  local vectors = read_vectors("tickets")
  local keys = ticket.key_set(vectors.keys)

  it("exists in numbers worth the name", function()
    assert.is_true(#vectors.valid >= 5 and #vectors.invalid >= 25)
  end)

  for _, vector in ipairs(vectors.valid) do
    it("is read: " .. vector.name, function()
      local claims = ticket.verify(keys, vector.ticket, vectors.now)
      for name, value in pairs(vector.claims) do
        assert.equal(value, claims[name])
      end
      assert.is_true(vector.ticket:find("^[%w%._%-]+$") ~= nil and #vector.ticket <= 512)
    end)

    it("is written the same: " .. vector.name, function()
      local claims = vector.claims
      local fields = {
        item = claims.item, bucket = claims.bucket, kind = claims.kind, number = claims.number,
        shopper = claims.sub, generation = claims.gen, exp = claims.exp,
      }
      local kid = vector.ticket:match("^[^.]+")
      local as_signer = {}
      for i, key in ipairs(vectors.keys) do
        as_signer[i] = { kid = key.kid, secret = key.secret, sign = key.kid == kid }
      end
      assert.equal(vector.ticket, ticket.sign(ticket.key_set(as_signer), fields))
    end)
  end

  for _, vector in ipairs(vectors.invalid) do
    it("is refused: " .. vector.name, function()
      assert.is_nil((ticket.verify(keys, vector.ticket, vectors.now)))
    end)
  end

  it("says whether the newest key has signed it", function()
    assert.is_true(ticket.verify(keys, vectors.valid[1].ticket, vectors.now).is_newest_key)
    assert.is_false(ticket.verify(keys, vectors.valid[2].ticket, vectors.now).is_newest_key)
  end)
end)
