-- gateway.shards: a shopper has one home and never hops.

local shards = require "gateway.shards"

local function item_with(count)
  local item = { shards = {}, shard_count = count }
  for number = 0, count - 1 do
    item.shards[number] = { shard = number }
  end
  return item
end

it("is the only shard", function()
  assert.equal(0, shards.home(item_with(1), "ann").shard)
end)

it("is crc32(shopper) modulo the number of shards", function()
  -- crc32("ann") is 3877663347 and crc32("bob") is 4123767104, says zlib.
  assert.equal(3, shards.home(item_with(4), "ann").shard)
  assert.equal(0, shards.home(item_with(4), "bob").shard)
  assert.equal(5, shards.home(item_with(7), "ann").shard)
end)

it("is the same at every request and spreads shoppers over all shards", function()
  local item, seen = item_with(4), {}
  for n = 1, 200 do
    local home = shards.home(item, "shopper-" .. n)
    assert.equal(home, shards.home(item, "shopper-" .. n))
    seen[home.shard] = true
  end
  assert.same({ [0] = true, true, true, true }, seen)
end)

it("is nowhere while no shard is armed", function()
  assert.is_nil(shards.home({ shards = {}, shard_count = 1 }, "ann"))
  assert.is_nil(shards.home({ shards = {}, shard_count = 4 }, "ann"))
end)

it("stays where it is while other shards come and go", function()
  local item = item_with(4)
  item.shards[0], item.shards[1] = nil, nil
  assert.equal(3, shards.home(item, "ann").shard)
  assert.is_nil(shards.home(item, "bob"))
end)
