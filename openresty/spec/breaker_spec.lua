-- gateway.breaker: when it opens, who may try, and what closes it.

local breaker = require "gateway.breaker"

local FAILURES = 3

local now, timers

before_each(function()
  now, timers = 1000, {}
  ngx.now = function() return now end
  ngx.timer.at = function(delay, callback, ...)
    timers[#timers + 1] = { delay = delay, callback = callback, arguments = { ... } }
    return true
  end
  breaker.configure({ breaker_failures = FAILURES })
end)

local function fire()
  local timer = table.remove(timers, 1)
  now = now + timer.delay
  timer.callback(false, unpack(timer.arguments))
  return timer.delay
end

local function open(probe)
  local one = breaker.new("upstream", probe)
  for _ = 1, FAILURES do
    one:failed()
  end
  if timers[1] then
    fire() -- the check after the first failure comes too late
  end
  return one
end

it("opens after failures in a row, and not before", function()
  local one = breaker.new("upstream")
  one:failed()
  one:failed()
  one:succeeded()
  one:failed()
  one:failed()
  assert.is_true(one:admits())
  one:failed()
  assert.is_true(one:is_open())
  assert.is_false(one:admits())
end)

describe("with a probe", function()
  it("asks at once after a failure, and opens when nothing answers", function()
    local one = breaker.new("upstream", function() return false end)
    one:failed()
    assert.equal(0, fire())
    assert.is_true(one:admits())
    assert.is_true(fire() > 0)
    assert.is_true(one:is_open())
  end)

  it("forgets a failure of which the upstream knows nothing", function()
    local one = breaker.new("upstream", function() return true end)
    for _ = 1, 9 do
      one:failed()
      fire()
    end
    assert.is_true(one:admits())
    assert.equal(0, #timers)
  end)

  it("lets no request through until the probe was answered", function()
    local answers = false
    local one = open(function() return answers end)
    fire()
    now = now + 3600
    assert.is_false(one:admits())
    assert.is_true(one:is_open())
    answers = true
    fire()
    assert.is_true(one:admits())
    assert.is_false(one:is_open())
    assert.equal(0, #timers)
  end)

  it("waits longer after each probe in vain, within a second, and begins anew the next time", function()
    local one = open(function() return false end)
    local first = fire()
    local last
    for _ = 1, 10 do
      last = fire()
    end
    assert.is_true(first >= 0.075 and first <= 0.125, first)
    assert.is_true(last >= 0.6 and last <= 1, last)
    one:succeeded()
    timers = {}
    for _ = 1, FAILURES do
      one:failed()
    end
    fire()
    assert.is_true(timers[1].delay <= 0.125)
  end)

  it("takes a probe that throws for no answer", function()
    local one = open(function() error("a fault") end)
    fire()
    assert.is_true(one:is_open())
    assert.equal(1, #timers)
  end)

  it("does not stay open in a worker that has no timers any more", function()
    ngx.timer.at = function() return nil, "process exiting" end
    assert.is_true(open(function() return true end):admits())
  end)
end)

describe("without one", function()
  it("lets one request a pause through, as the try", function()
    local one = open()
    now = now + 0.2
    assert.is_true(one:admits())
    assert.is_false(one:is_open()) -- what was let through is to be sent
    assert.is_false(one:admits())
    one:failed()
    assert.is_true(one:is_open())
    assert.is_false(one:admits())
    now = now + 0.3
    assert.is_true(one:admits())
    one:succeeded()
    assert.is_true(one:admits())
    assert.is_true(one:admits())
  end)

  it("lets another one through when the try never tells", function()
    local one = open()
    now = now + 0.2
    assert.is_true(one:admits())
    now = now + 1
    assert.is_true(one:admits())
  end)
end)
