-- gateway.outcome: the closed set of DESIGN §2 and its one shape of refusal (RFC 9457).

local cjson = require "cjson.safe"
local outcome = require "gateway.outcome"

local STATUS = {
  reserved = 200, pending = 202, queued = 202, limit_reached = 409, sold_out = 410, ended = 410,
  not_started = 425, challenge = 403, denied = 403, bad_token = 401, bad_request = 400,
  not_found = 404, rate_limited = 429, busy = 503,
}
local NO_REFUSAL = { reserved = true, pending = true, queued = true }

local printed

before_each(function()
  printed = nil
  ngx.header, ngx.var, ngx.status = {}, {}, nil
  ngx.print = function(...) printed = table.concat({ ... }) end
end)

it("knows every outcome with its status and no other", function()
  local known = {}
  for code, entry in pairs(outcome.OUTCOMES) do
    known[code] = entry.status
  end
  assert.same(STATUS, known)
end)

for code, status in pairs(STATUS) do
  if not NO_REFUSAL[code] then
    it("makes a problem document of " .. code, function()
      local told, body = outcome.problem(code)
      local problem = assert(cjson.decode(body))
      assert.equal(status, told)
      assert.equal("string", type(problem.title))
      problem.title = nil
      assert.same(
        { type = "urn:sluice:outcome:" .. code, status = status, code = code }, problem)
    end)
  end
end

for _, code in ipairs({ "reserved", "pending", "queued", "out_of_order" }) do
  it("makes no problem document of " .. code, function()
    assert.has_error(function() outcome.problem(code) end, "not a refusal: " .. code)
  end)
end

it("tells detail and waiting time where there are any", function()
  local _, body = outcome.problem("bad_request", "qty is 7", 1500)
  local problem = cjson.decode(body)
  assert.equal("qty is 7", problem.detail)
  assert.equal(1500, problem.retry_after_ms)
  _, body = outcome.problem("bad_request")
  assert.is_nil(cjson.decode(body).detail)
end)

it("escapes what a shopper sent", function()
  local _, body = outcome.problem("bad_request", 'unknown field ","code":"reserved')
  assert.equal("bad_request", cjson.decode(body).code)
end)

it("sends a refusal with length and type", function()
  outcome.refuse("sold_out")
  assert.equal(410, ngx.status)
  assert.same({
    ["Content-Type"] = "application/problem+json",
    ["Content-Length"] = #printed,
  }, ngx.header)
end)

it("tells the log what a refusal was, unless it is to be quiet", function()
  outcome.refuse("sold_out")
  assert.equal("sold_out", ngx.var.sluice_outcome)
  ngx.var.sluice_outcome = nil
  outcome.refuse_quietly("sold_out")
  assert.equal(410, ngx.status)
  assert.is_nil(ngx.var.sluice_outcome)
end)

it("tells how to prove oneself where the token was refused", function()
  outcome.refuse("bad_token")
  assert.equal("Bearer", ngx.header["WWW-Authenticate"]) -- RFC 9110 §11.6.1
end)

for _, case in ipairs({ { 1, 1 }, { 999, 1 }, { 1000, 1 }, { 1001, 2 }, { 86400000, 86400 } }) do
  it("rounds a wait of " .. case[1] .. " ms up to whole seconds", function()
    outcome.refuse("not_started", nil, case[1])
    assert.equal(case[2], ngx.header["Retry-After"])
    assert.equal(case[1], cjson.decode(printed).retry_after_ms)
  end)
end

it("always tells when to come back after busy, and not everybody the same", function()
  local told = {}
  for _ = 1, 50 do
    outcome.refuse("busy")
    local wait = cjson.decode(printed).retry_after_ms
    assert.is_true(wait >= 300 and wait <= 600)
    assert.equal(1, ngx.header["Retry-After"])
    told[wait] = true
  end
  local first = next(told)
  assert.is_not_nil(next(told, first))
end)

it("leaves the type of what is no refusal to nginx", function()
  outcome.answer("pending", 500, "{", '"a"', ":", "1", "}")
  assert.equal(202, ngx.status)
  assert.is_nil(ngx.header["Content-Type"])
  assert.equal(1, ngx.header["Retry-After"])
  assert.equal('{"a":1}', printed)
  assert.equal(#printed, ngx.header["Content-Length"])
end)
