-- gateway.upstreams: whose version is green. What needs an upstream is in tests/gateway/console.

require "spec.support.nginx"
package.preload["ngx.balancer"] = function() return {} end
local upstreams = require "gateway.upstreams"

local VISITORS = 20000

local function id(number)
  return string.format("%032x", number * 2654435761 % 2 ^ 32)
end

local function greens(percent)
  local found, count = {}, 0
  for number = 1, VISITORS do
    if upstreams.is_green(id(number), percent) then
      found[number], count = true, count + 1
    end
  end
  return found, count
end

describe("the share of green", function()
  for _, percent in ipairs({ 0.5, 1, 10, 50, 90 }) do
    it("is what the switch says: " .. percent, function()
      local _, count = greens(percent)
      assert.is_true(math.abs(100 * count / VISITORS - percent) < 1)
    end)
  end

  it("is nobody at 0 and everybody at 100", function()
    assert.equal(0, select(2, greens(0)))
    assert.equal(VISITORS, select(2, greens(100)))
  end)

  it("keeps everybody it has when it grows", function()
    local few, more = greens(10), greens(35)
    for number in pairs(few) do
      assert.is_true(more[number])
    end
  end)
end)
