-- A circuit breaker: an upstream that does not answer is left alone for a while, and nobody waits for it.
--
-- Closed, all go through. After so many connections or answers in a row that did not come it opens: whoever
-- asks hears `busy` at once. After a pause that grows and is jittered one try is made (half open); only
-- its answer closes the breaker. An answer that refuses is an answer. What was sent before it opened
-- keeps its own verdict: a breaker never makes "no" out of "unknown".
--
-- Every worker has its own: what one sees of an upstream is not worth a lock a request.

local metrics = require "gateway.metrics"

local ngx = ngx
local min, random = math.min, math.random

-- The longest pause is what an upstream that came back may wait for its first request: shorter than the
-- second in which a promoted shard has to sell (P8).
local PAUSE_FIRST_S, PAUSE_MAX_S = 0.1, 0.8
local JITTER = 0.25

local Breaker = {}
Breaker.__index = Breaker

local _M = {}

local failures_max = 3

--- config: gateway.config's table. Called once in each worker.
function _M.configure(config)
  failures_max = config.breaker_failures
end

--- name: of the upstream, for metrics and the log; probe: function → true or nil and the error, which asks
-- the upstream something harmless. It runs in a timer: at once after a first failure, so that the others
-- that it takes to open do not need as many requests that wait, and after each pause. Without one, the
-- next request that comes after the pause is the try.
function _M.new(name, probe)
  metrics.breaker(name, 0)
  return setmetatable({
    name = name,
    probe = probe,
    state = "closed", -- or open, or half open
    failures = 0,
    is_checking = false,
    pause_s = PAUSE_FIRST_S,
    try_at_s = 0,
  }, Breaker)
end

-- Between the pause and a quarter more or less: workers must not come back as one.
local function jittered(pause_s)
  return pause_s * (1 - JITTER + 2 * JITTER * random())
end

local run_probe

local function pause(breaker)
  local pause_s = jittered(breaker.pause_s)
  breaker.state = "open"
  breaker.try_at_s = ngx.now() + pause_s
  breaker.pause_s = min(2 * breaker.pause_s, PAUSE_MAX_S)
  if breaker.probe and not ngx.timer.at(pause_s, run_probe, breaker) then
    breaker.state = "closed" -- a worker that ends has no timers: better slow than shut for good
  end
end

function run_probe(premature, breaker)
  if premature or breaker.state ~= "open" then
    return
  end
  breaker.state = "half open"
  local ran, answered = pcall(breaker.probe)
  if breaker.state ~= "half open" then
    return -- somebody has found out otherwise meanwhile
  end
  if ran and answered then
    breaker:succeeded()
  else
    pause(breaker)
  end
end

-- After a failure: was it the upstream, or this one call?
local function check(premature, breaker)
  breaker.is_checking = false
  if premature or breaker.state ~= "closed" or breaker.failures == 0 then
    return
  end
  local ran, answered = pcall(breaker.probe)
  if ran and answered then
    breaker:succeeded()
  else
    breaker:failed()
  end
end

--- The upstream has answered, whatever it said.
function Breaker:succeeded()
  if self.state ~= "closed" then
    ngx.log(ngx.WARN, self.name, " answers again")
    metrics.breaker(self.name, 0)
    self.state = "closed"
  end
  self.failures, self.pause_s = 0, PAUSE_FIRST_S
end

--- No connection, or no answer in time, or it was cut.
function Breaker:failed()
  self.failures = self.failures + 1
  if self.state == "closed" and self.failures >= failures_max then
    ngx.log(ngx.WARN, self.name, " does not answer: left alone until a try succeeds")
    metrics.breaker(self.name, 1)
    pause(self)
  elseif self.state == "half open" and not self.probe then
    pause(self)
  elseif self.state == "closed" and self.probe and not self.is_checking then
    -- The first at once, the others apart: a refused connection fails in no time.
    local delay_s = self.failures == 1 and 0 or PAUSE_FIRST_S
    self.is_checking = ngx.timer.at(delay_s, check, self) or false
  end
end

--- Whether nothing may be sent now, not even what waits already.
function Breaker:is_open()
  return self.state == "open" or (self.state == "half open" and self.probe ~= nil)
end

--- Whether a request may go through. While it is open and has no probe, one a pause may.
function Breaker:admits()
  if self.state == "closed" then
    return true
  end
  local now_s = ngx.now()
  if self.probe or now_s < self.try_at_s then
    return false
  end
  -- Should the try never report, another one follows.
  self.state, self.try_at_s = "half open", now_s + self.pause_s
  return true
end

return _M
