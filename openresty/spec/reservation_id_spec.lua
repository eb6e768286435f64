-- gateway.reservation_id: made before the reservation, the same on every retry.

local reservation_id = require "gateway.reservation_id"

local KEY = string.rep("r", 40)

before_each(function()
  reservation_id.configure({ reservation_key = KEY })
end)

it("is the keyed hash of item, shopper and idempotency key", function()
  -- base64url(HMAC-SHA256("r" × 40, '[7,"ann","k-1"]')), made with Python's hmac.
  assert.equal("7-0-C9b6gHX6kN4F3rQ6HS9kit", reservation_id.make(7, 0, "ann", "k-1"))
  assert.equal("7-12-oZjUO_DvOSftUeJncYlf0n", reservation_id.make(7, 12, "ann", ""))
end)

it("differs when any of them differs, also where they only touch", function()
  local seen = {}
  for _, parts in ipairs({
    { 7, "ann", "b" }, { 7, "ann", "" }, { 7, "annb", "" }, { 7, "an", "nb" }, { 8, "ann", "b" },
    { 7, "Ann", "b" }, { 70, "ann", "b" },
  }) do
    local digest = reservation_id.make(parts[1], 0, parts[2], parts[3]):sub(-22)
    assert.is_nil(seen[digest])
    seen[digest] = true
  end
end)

it("differs under another key", function()
  local ours = reservation_id.make(7, 0, "ann", "")
  reservation_id.configure({ reservation_key = string.rep("x", 40) })
  assert.are_not.equal(ours, reservation_id.make(7, 0, "ann", ""))
end)

it("is read back as item and shard", function()
  local item, shard = reservation_id.parse(reservation_id.make(123, 45, "ann", ""))
  assert.equal("123", item)
  assert.equal(45, shard)
end)

local DIGEST = string.rep("a", 22)
for _, text in ipairs({
  "", "7", "7-0", "7-0-", "7-0-" .. DIGEST .. "a", "7-0-" .. DIGEST:sub(2), "07-0-" .. DIGEST,
  "0-0-" .. DIGEST, "-7-0-" .. DIGEST, "7--" .. DIGEST, "7-x-" .. DIGEST, "x-0-" .. DIGEST,
  "7-0-" .. DIGEST:sub(2) .. "=", "7-0-" .. DIGEST:sub(2) .. "/", "7-0-" .. DIGEST .. "\n",
  "7-0-" .. DIGEST .. "/x", " 7-0-" .. DIGEST, "7-1000-" .. DIGEST,
  string.rep("9", 16) .. "-0-" .. DIGEST,
}) do
  it("is not: " .. text, function()
    assert.is_nil(reservation_id.parse(text))
  end)
end
