-- gateway.lease: who has not heard for too long does not sell, where that is wanted.

local lease = require "gateway.lease"

local LEASE_MS = 2000
local now_ms

before_each(function()
  now_ms = 5000000
  stub(lease, "now_ms", function() return now_ms end)
end)

after_each(function()
  if type(lease.now_ms) == "table" then
    lease.now_ms:revert()
  end
end)

local function heard_before(age_ms)
  lease.renew(age_ms and now_ms - age_ms, LEASE_MS)
end

describe("a gateway that refuses without a lease", function()
  before_each(function() lease.configure({ without_lease = "refuse" }) end)

  for age_ms, is_over in pairs({ [0] = false, [1999] = false, [2000] = false, [2001] = true }) do
    it((is_over and "has none" or "has one") .. " after " .. age_ms .. " ms", function()
      heard_before(age_ms)
      assert.equal(is_over, lease.is_over())
    end)
  end

  it("has none before it has heard anything", function()
    heard_before(nil)
    assert.is_true(lease.is_over())
  end)

  it("has one again when it hears again", function()
    heard_before(60000)
    assert.is_true(lease.is_over())
    heard_before(10)
    assert.is_false(lease.is_over())
  end)
end)

describe("a gateway that sells without a lease", function()
  before_each(function() lease.configure({ without_lease = "sell" }) end)

  it("always sells", function()
    for _, age_ms in ipairs({ 0, 60000 }) do
      heard_before(age_ms)
      assert.is_false(lease.is_over())
    end
    heard_before(nil)
    assert.is_false(lease.is_over())
  end)
end)

it("counts time that nobody can set", function()
  lease.now_ms:revert()
  local file = assert(io.open("/proc/uptime"))
  local uptime_s = file:read("*n")
  file:close()
  -- Since the machine started, without the time it slept.
  assert.is_true(math.abs(lease.now_ms() / 1000 - uptime_s) < 60)
end)
