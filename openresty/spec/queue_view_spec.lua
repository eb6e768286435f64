-- gateway.queue.view and gateway.queue.queued: what the snapshot says of a queue, and what who waits hears.

local cjson = require "cjson.safe"
local queued = require "gateway.queue.queued"
local views = require "gateway.queue.view"

local SEED = string.rep("ab", 32)

local function section(changes)
  local queue = {
    mode = "fifo",
    buckets = { { name = "vip", weight = 3 }, { name = "regular", weight = 1 } },
    k = 4,
    grace_ms = 30000,
    opens_ms = 0,
    draw = cjson.null,
  }
  for name, value in pairs(changes or {}) do
    queue[name] = value
  end
  return queue
end

local function drawn(changes)
  local draw = { commit = "c", sizes = { 4, 10 }, seed = SEED }
  for name, value in pairs(changes or {}) do
    draw[name] = value
  end
  return section({ mode = "draw", draw = draw })
end

describe("a queue in the snapshot", function()
  it("may be missing, null or off", function()
    assert.is_nil(views.build(7, nil))
    assert.is_nil(views.build(7, cjson.null))
    assert.is_nil(views.build(7, { mode = "off" }))
  end)

  it("has its keys and its buckets both ways", function()
    local queue = views.build(7, section())
    assert.equal("{q7}", queue.tag)
    assert.equal(0, views.bucket_of(queue, "vip"))
    assert.equal(1, views.bucket_of(queue, "regular"))
    assert.equal(1, views.bucket_of(queue, "first_time")) -- not named: the last
    assert.equal("vip", queue.names[0])
  end)

  it("lets nobody wait longer than half of the grace", function()
    assert.equal(15000, views.build(7, section()).max_retry_ms)
    assert.equal(30000, views.build(7, section({ grace_ms = 3600000 })).max_retry_ms)
    assert.equal(2000, views.build(7, section({ grace_ms = 4000 })).max_retry_ms)
  end)

  for name, changes in pairs({
    ["another mode"] = { mode = "lottery" },
    ["no buckets"] = { buckets = {} },
    ["a bucket without a name"] = { buckets = { { weight = 1 } } },
    ["a name that would break a body"] = { buckets = { { name = 'a"', weight = 1 } } },
    ["no grace"] = { grace_ms = cjson.null },
    ["half a grace"] = { grace_ms = 0.5 },
  }) do
    it("is refused with " .. name, function()
      assert.has_error(function() views.build(7, section(changes)) end, "snapshot: queue of item 7")
    end)
  end

  it("is refused with more buckets than there are bitmaps", function()
    local buckets = {}
    for i = 1, 17 do
      buckets[i] = { name = "b" .. string.rep("x", i), weight = 1 }
    end
    assert.has_error(function() views.build(7, section({ buckets = buckets })) end)
  end)

  for name, changes in pairs({
    ["a size too few"] = { sizes = { 4 } },
    ["a negative size"] = { sizes = { 4, -1 } },
    ["half a size"] = { sizes = { 4, 0.5 } },
    ["a size beyond the permutation's"] = { sizes = { 4, 2 ^ 31 } },
    ["a seed that is no hex"] = { seed = "seed" },
    ["half a byte of seed"] = { seed = "abc" },
    ["no commitment"] = { commit = 7 },
  }) do
    it("is refused with " .. name, function()
      assert.has_error(function() views.build(7, drawn(changes)) end)
    end)
  end
end)

describe("a ticket's place", function()
  local function claims(kind, number, bucket)
    return { kind = kind, number = number, bucket = bucket or 1 }
  end

  it("is the number in a fifo", function()
    local queue = views.build(7, section())
    assert.equal(12, views.place_of(queue, claims("fifo", 12)))
    assert.equal(12, views.place_of(queue, claims("place", 12)))
    assert.is_false(views.place_of(queue, claims("lobby", 12)))
    assert.is_false(views.place_of(queue, claims("fifo", 12, 2)))
  end)

  it("is not known before the reveal", function()
    local queue = views.build(7, drawn({ seed = cjson.null, sizes = cjson.null }))
    assert.is_nil(views.place_of(queue, claims("lobby", 3)))
    assert.is_nil(views.place_of(queue, claims("fifo", 3)))
  end)

  it("is drawn, and behind the draw for who comes later", function()
    local queue, seen = views.build(7, drawn()), {}
    for number = 0, 9 do
      seen[views.place_of(queue, claims("lobby", number))] = true
    end
    for place = 0, 9 do
      assert.is_true(seen[place])
    end
    assert.equal(10, views.place_of(queue, claims("fifo", 0)))
    assert.equal(9, views.place_of(queue, claims("fifo", 5, 0)))
    assert.is_false(views.place_of(queue, claims("lobby", 10)))
  end)

  it("is not there while nobody has committed to a draw", function()
    local queue = views.build(7, section({ mode = "draw" }))
    assert.is_nil(views.place_of(queue, claims("lobby", 0)))
  end)
end)

describe("the time to ask again", function()
  it("is half of the wait, a quarter more or less", function()
    assert.equal(3750, queued.retry_ms(10000, 30000, 0))
    assert.equal(5000, queued.retry_ms(10000, 30000, 0.5))
  end)

  it("stays within its bounds whatever the wait is", function()
    for _, eta_ms in ipairs({ 0, 1, 500, 1e6, 1e12 }) do
      for _, chance in ipairs({ 0, 0.5, 0.999 }) do
        local retry_ms = queued.retry_ms(eta_ms, 30000, chance)
        assert.is_true(retry_ms >= 300 and retry_ms <= 30000)
      end
    end
  end)

  it("grows with the number of places before", function()
    local last = 0
    for ahead = 0, 100000, 1000 do
      local retry_ms = queued.retry_ms(queued.eta_ms(ahead, 1000000), 30000, 0.5)
      assert.is_true(retry_ms >= last)
      last = retry_ms
    end
  end)

  it("is guessed while nothing has moved yet", function()
    assert.equal(10000, queued.eta_ms(1000, 0))
  end)
end)

describe("how many are before a place", function()
  for name, case in pairs({
    ["all that are not served"] = { place = 9, gaps = {}, is = 6 },
    ["none when it is called"] = { place = 2, gaps = {}, is = 0 },
    ["those of no gap"] = { place = 105, gaps = { { 5, 100 } }, is = 7 },
    ["of a gap that is served in part, those behind"] = { place = 105, gaps = { { 1, 100 } }, is = 5 },
    ["all when a gap lies behind it"] = { place = 4, gaps = { { 5, 100 } }, is = 1 },
    ["all when it would be in a gap: that begins later"] = { place = 9, gaps = { { 5, 100 } }, is = 6 },
    ["of several gaps none"] = { place = 210, gaps = { { 5, 100 }, { 110, 200 } }, is = 22 },
    ["of numbers behind a draw"] = { place = 125, gaps = { { 5, 100 } }, size = 20, is = 27 },
  }) do
    it("counts " .. name, function()
      assert.equal(case.is, queued.ahead(case.place, 3, case.gaps, case.size or 0))
    end)
  end
end)
