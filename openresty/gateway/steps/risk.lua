-- Step 6: bans of devices and shoppers, and risk rules. Fills bucket = "slow" for the queue.

local bans = require "gateway.bans"
local metrics = require "gateway.metrics"
local outcome = require "gateway.outcome"
local risk = require "gateway.risk"

local ngx = ngx

-- Without a queue, three of four tries of who is slowed down hear `busy` and this wait; which ones depends on
-- shopper and second, so that asking faster brings nothing.
local SLOW_SHARE, SLOW_OF = 3, 4
local SLOW_RETRY_MS = 2000
local FAULT_LOG_S = 1
-- The detail of `challenge`, by which the SDK tells it from the edge's: the next entry asks for a puzzle.
local PUZZLE = "puzzle"

local fault_logged_s = 0
-- One for all requests: deciding waits for nothing.
local facts = {
  address = "", site = "", device = "", shopper = "", score = 0, item = 0, now_ms = 0, challenge = "asked",
}

local function slow(req, now_ms)
  local queue, mode = req.item.queue, req.item.switches.queue_mode
  if mode ~= "off" and type(queue) == "table" and queue.mode ~= "off" then
    req.bucket = "slow"
    return nil
  end
  local second = math.floor(now_ms / 1000)
  local turn = (ngx.crc32_short(req.claims.sub) + second) % SLOW_OF
  if turn >= SLOW_SHARE then
    return nil
  end
  return "busy", nil, SLOW_RETRY_MS + math.random(0, SLOW_RETRY_MS)
end

-- What a rule that challenges means to this shopper. A check that is switched off cannot be passed: asking
-- for it would be a denial.
local function challenge_of(req, now_ms)
  if not req.item.switches.human_check then
    return "off"
  end
  local counts_until_s = req.claims.pz
  return counts_until_s and now_ms < counts_until_s * 1000 and "passed" or "asked"
end

local function check(req, mode)
  local claims, now_ms = req.claims, ngx.now() * 1000
  local denied = bans.meet(bans.of_visitor(claims.dev, claims.sub), mode)
  if denied then
    return denied
  end
  local plan, rule = req.view.risk, nil
  if plan.has_rules then
    facts.address, facts.site, facts.item, facts.now_ms = req.address, req.site, req.item.id, now_ms
    facts.device, facts.shopper, facts.score = claims.dev, claims.sub, claims.rs
    facts.challenge = challenge_of(req, now_ms)
    metrics.count("risk_compared", "")
    rule = risk.decide(plan, mode, facts)
  end
  if not rule or rule.action == "allow" then
    return nil
  elseif rule.action == "deny" then
    return "denied"
  elseif rule.action == "slow" then
    return slow(req, now_ms)
  end
  return "challenge", PUZZLE
end

--- req: the purchase. Returns nil, or "denied", "challenge" or "busy". A rule that throws lets nobody pass.
return function(req)
  local mode = req.item.switches.risk_mode
  if mode == "off" then
    return nil
  end
  local ran, code, detail, retry_after_ms = pcall(check, req, mode)
  if ran then
    return code, detail, retry_after_ms
  end
  -- One line a second: a rule that throws does so for everybody.
  if math.abs(ngx.now() - fault_logged_s) >= FAULT_LOG_S then
    fault_logged_s = ngx.now()
    ngx.log(ngx.ERR, "risk: ", code)
  end
  return "busy", nil, outcome.busy_retry_ms()
end
