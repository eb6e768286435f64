-- The door of the console: which paths there are, how many requests a second, and how a refusal looks.
--
-- It runs before the firewall, which costs a worker a millisecond a request that shoppers wait for too.

local cjson = require "cjson.safe"
local page = require "gateway.console_page"
local upstreams = require "gateway.upstreams"

local ngx = ngx
local find, match, sub = string.find, string.match, string.sub

-- The first part of every path that exists here. `/internal/` is not among them, and a path that begins with
-- one of these cannot become another one behind us: see PATH.
local AREAS = { admin = true, api = true, board = true, i18n = true, payments = true, static = true }
-- Every path of ours is made of these. No percent-escape: nginx decodes it before it chooses a location and
-- passes the path on as it came, and what is behind us decodes once more. No dot and no slash after a slash.
local PATH, ODD = "^/[%w/._~-]*$", "/[./]"
-- A page of the admin is about 15 requests. 200 a second are a fifth of a core in the firewall.
local ADDRESS_MAX_PER_S, ALL_MAX_PER_S = 50, 200

local COOKIE, COOKIE_AGE_S = "sluice_console", 30 * 24 * 3600

-- What nginx answers by itself → what is told.
local REFUSALS = {
  [403] = "refused",
  [404] = "not_found",
  [405] = "method_not_allowed",
  [408] = "too_slow",
  [413] = "too_large",
  [414] = "too_large",
  [429] = "too_many",
  [500] = "unavailable",
  [502] = "unavailable",
  [503] = "unavailable",
  [504] = "unavailable",
}
local RETRY_S = { too_many = 1, unavailable = 5 }

local _M = {}

local cookie_end

--- config: gateway.config's table.
function _M.configure(config)
  cookie_end = "; Path=/; HttpOnly; SameSite=Lax; Max-Age=" .. COOKIE_AGE_S
    .. (config.console_scheme == "https" and "; Secure" or "")
end

--- The area of a path as it came over the wire, or nil when it is none of ours.
function _M.area(path)
  if not find(path, PATH) or find(path, ODD) then
    return nil
  end
  if path == "/healthz" then
    return "healthz"
  end
  local area = match(path, "^/(%w+)/")
  return AREAS[area] and area or nil
end

local function too_many(address)
  local shared, second = ngx.shared.sluice_console, ngx.time()
  local all = shared:incr("all|" .. second, 1, 0, 2)
  local own = shared:incr(address .. "|" .. second, 1, 0, 2)
  -- nil: the dictionary is full, which many addresses at once can do and people cannot.
  return not all or not own or all > ALL_MAX_PER_S or own > ADDRESS_MAX_PER_S
end

-- Only chooses what its own sender sees, so it needs no signature: who writes another one gets the other
-- version, and no right that he has not got. An API's clients keep no cookies and are told apart by address.
local function visitor(area)
  local known = match(ngx.var["cookie_" .. COOKIE] or "", "^%x+$")
  if known and #known == 32 then
    return known
  end
  if area ~= "admin" and area ~= "board" then
    return ngx.var.remote_addr
  end
  local fresh = ngx.var.request_id
  ngx.header["Set-Cookie"] = COOKIE .. "=" .. fresh .. cookie_end
  return fresh
end

--- Server-rewrite handler: refuses what does not exist or comes too often, and chooses the version.
function _M.enter()
  local path = match(ngx.var.request_uri, "^[^?]*")
  if path == "/" or path == "/admin" then
    return ngx.redirect("/admin/")
  end
  if path == "/favicon.ico" then
    return ngx.exit(204) -- every browser asks for it, and there is none
  end
  local area = _M.area(path)
  -- Payment providers come from one address as fast as people pay; sites/console.conf has their limit.
  if area ~= "payments" and too_many(ngx.var.remote_addr) then
    return ngx.exit(429)
  end
  if not area then
    return ngx.exit(404)
  end
  local pool = upstreams.choose(visitor(area))
  ngx.ctx.pool = pool
  ngx.var.sluice_console_pool = pool
end

local function problem(code, status, reference)
  return cjson.encode({
    type = "urn:sluice:problem:" .. code,
    title = page.TEXTS[code].en,
    status = status,
    code = code,
    reference = reference,
  })
end

-- Whether the answer is nginx's own. "-, 0.003": one time a try; a number says that a header arrived.
local function is_ours()
  local times = ngx.var.upstream_header_time
  return not times or sub(times, -1) == "-"
end

-- What nginx refuses by itself becomes a problem (RFC 9457) for programs and a page in both languages for
-- people. Both name the line of the audit log, and nothing of what was found.
local function explain(code)
  local headers = ngx.header
  local text, kind
  if sub(ngx.var.request_uri or "", 1, 5) == "/api/" then
    text, kind = problem(code, ngx.status, ngx.var.request_id), "application/problem+json"
  else
    text, kind = page.render(code, ngx.var.request_id), "text/html; charset=utf-8"
  end
  headers["Content-Type"] = kind
  headers["Content-Length"] = #text
  headers["Cache-Control"] = "no-store"
  headers["Retry-After"] = RETRY_S[code]
  ngx.ctx.explanation = text
end

--- Header filter of every answer: learns from it how green is, and explains what nobody behind us has said.
function _M.header()
  upstreams.judge()
  if ngx.status < 400 or not is_ours() then
    return
  end
  local code = REFUSALS[ngx.status] or "bad_request"
  if code == "unavailable" then
    ngx.status = 503
  end
  explain(code)
end

--- Body filter: the explanation instead of nginx's page.
function _M.body()
  local text = ngx.ctx.explanation
  if text then
    ngx.arg[1], ngx.arg[2] = text, true
    ngx.ctx.explanation = ""
  end
end

return _M
