-- Verify entry tokens: JWT, HS256 only, one algorithm per kid, every claim bound (DESIGN §7, RFC 7519,
-- RFC 8725).

local base64 = require "ngx.base64"
local cjson = require "cjson.safe"
local entry_claims = require "gateway.entry_claims"
local ffi = require "ffi"
local hmac = require "gateway.hmac"
local payload = require "gateway.payload"

local band, bor, bxor, lshift = bit.band, bit.bor, bit.bxor, bit.lshift
local C, string_of = ffi.C, ffi.string
local find, sub = string.find, string.sub
local decode, encode = base64.decode_base64url, base64.encode_base64url

ffi.cdef "void *memchr(const void *from, int byte, size_t length);"

local DOT = string.byte(".")
local MAX_TOKEN_BYTES, MIN_TOKEN_BYTES = 2048, 43 -- a signature's
local LEEWAY_S = 5
local MAX_LIFETIME_S = 120
-- For how long after its issue a token may say that a puzzle counts (edge-workers/worker/tokens/entry.ts).
local MAX_PUZZLE_S = 1800
local ISSUER = "sluice-edge"
local BUYING = "sluice-gateway" -- audience of entry tokens; what joins a lobby has another
-- Tokens of a generation that stay known; there are two, about 1 kB a token.
local KNOWN_TOKENS = 4096
local SEEN = 65536 -- a power of two
local seen = ffi.new("int32_t[?]", SEEN)
local const_bytes = ffi.typeof("const unsigned char *")

local _M = { LEEWAY_S = LEEWAY_S }

--- Prepare the keys of one snapshot. entry_keys: list of {kid, secret = base64url of ≥ 32 bytes}.
-- Returns the key set for verify; raises on a malformed key, so that a bad snapshot is refused whole.
function _M.key_set(entry_keys)
  local by_kid = {}
  for _, key in ipairs(entry_keys) do
    local secret = type(key.secret) == "string" and decode(key.secret)
    if type(key.kid) ~= "string" or not secret or #secret < 32 then
      error("entry key " .. tostring(key.kid) .. " is malformed", 2)
    end
    local _, _, is_signed = hmac.new(secret)
    by_kid[key.kid] = is_signed
  end
  -- known_headers: header segment → function that checks a signature; young, old: place of the mark → the
  -- token and its claims. All filled only after a signature proved right, so a stranger cannot grow them, and
  -- they end with the keys.
  return {
    by_kid = by_kid,
    known_headers = {},
    -- The last of them, because most tokens have the same.
    last_header = "",
    last_is_signed = false,
    young = {},
    old = {},
    young_count = 0,
  }
end

local newest_text, newest_set

--- As key_set; the set of before while the keys are the same ones, so that a snapshot that changes something
-- else forgets no token.
function _M.shared_key_set(entry_keys)
  local words = {}
  for _, key in ipairs(entry_keys) do
    words[#words + 1] = tostring(key.kid) .. " " .. tostring(key.secret)
  end
  local text = table.concat(words, " ")
  if text ~= newest_text then
    newest_set = _M.key_set(entry_keys)
    newest_text = text
  end
  return newest_set
end

local function decode_object(segment)
  local text = decode(segment)
  -- Encoding again catches padding, stray characters and non-zero trailing bits.
  if not text or encode(text, true) ~= segment then
    return nil
  end
  -- cjson makes the same table of {} and []; the first character tells them apart.
  if sub(text, 1, 1) ~= "{" then
    return nil
  end
  local object = cjson.decode(text)
  return type(object) == "table" and object or nil
end

local HEADER_FIELDS = { alg = true, typ = true, kid = true }

local function key_of_header(keys, segment)
  local header = decode_object(segment)
  if not header or header.alg ~= "HS256" or header.typ ~= "JWT" then
    return nil
  end
  for name in pairs(header) do
    if not HEADER_FIELDS[name] then
      return nil -- jwk, jku, x5u, crit …: a key or a rule from the token itself
    end
  end
  return type(header.kid) == "string" and keys.by_kid[header.kid] or nil
end

local function is_integer(value)
  return type(value) == "number" and value % 1 == 0
end

local function matches(value, pattern, max_length)
  return type(value) == "string" and #value <= max_length and find(value, pattern) ~= nil
end

-- What entry_claims has looked at already where it made the claims; the fault, or nil.
local function form_fault(claims)
  if claims.iss ~= ISSUER then
    return "issuer"
  end
  if not (matches(claims.sub, "^[%w%._:%-]+$", 64) and is_integer(claims.item)
      and matches(claims.dev, "^[%w_%-]+$", 64) and #claims.dev >= 8
      and matches(claims.lvl, "^[a-z_]+$", 32) and matches(claims.jti, "^[%w_%-]+$", 64)) then
    return "malformed claim"
  end
  if not is_integer(claims.rs) or (claims.pz ~= nil and not is_integer(claims.pz)) then
    return "malformed claim"
  end
  if not (is_integer(claims.nbf) and is_integer(claims.exp) and is_integer(claims.iat)) then
    return "malformed time"
  end
  return nil
end

-- What of the claims is as it must be whatever the time is; the fault, or nil.
local function claims_fault(claims, iat)
  if claims.rs < 0 or claims.rs > 100 then
    return "malformed claim"
  end
  if claims.exp - claims.nbf > MAX_LIFETIME_S or claims.exp - iat > MAX_LIFETIME_S then
    return "lives too long"
  end
  if claims.pz and claims.pz - iat > MAX_PUZZLE_S then
    return "puzzle counts too long"
  end
  return nil
end

local function time_fault(claims, now_s, grace_s)
  if now_s < claims.nbf - LEEWAY_S then
    return "not valid yet"
  end
  if now_s >= claims.exp + LEEWAY_S + grace_s then
    return "expired"
  end
  return nil
end

-- Where the next dot is at or behind byte `at`, or nil.
local function dot_at(bytes, at, length)
  local found = C.memchr(bytes + at, DOT, length - at)
  return found ~= nil and tonumber(ffi.cast(const_bytes, found) - bytes) or nil
end

-- What checks the signature, by the first `length` bytes, which are the header; nil for a strange one.
local function signature_of(keys, bytes, length)
  if length == #keys.last_header and C.memcmp(bytes, keys.last_header, length) == 0 then
    return keys.last_is_signed
  end
  local header = string_of(bytes, length)
  return keys.known_headers[header] or key_of_header(keys, header)
end

local function know_header(keys, bytes, length, is_signed)
  if keys.last_is_signed ~= is_signed or length ~= #keys.last_header then
    keys.last_header, keys.last_is_signed = string_of(bytes, length), is_signed
    keys.known_headers[keys.last_header] = is_signed
  end
end

-- Signature and claims of a token. Returns the claims, or nil and the reason.
local function read(keys, bytes, length)
  local first = dot_at(bytes, 0, length)
  local second = first and dot_at(bytes, first + 1, length)
  if not second or dot_at(bytes, second + 1, length) then
    return nil, "not three segments"
  end
  local is_signed = signature_of(keys, bytes, first)
  if not is_signed then
    return nil, "header or key"
  end
  -- The MAC is encoded, not the signature decoded: only the canonical spelling is equal.
  if not is_signed(bytes, second, length) then
    return nil, "signature"
  end
  know_header(keys, bytes, first, is_signed)
  local json, count = payload.decode(bytes + (first + 1), second - first - 1)
  if not json then
    return nil, "payload"
  end
  local fault
  local claims, iat = entry_claims.read(json, count)
  if not claims then
    claims = cjson.decode(payload.text(count, bytes + (second + 1)))
    if type(claims) ~= "table" then
      return nil, "payload"
    end
    fault, iat = form_fault(claims), claims.iat
  end
  fault = fault or claims_fault(claims, iat)
  if fault then
    return nil, fault
  end
  return claims
end

-- Most tokens are shown once: only one that comes again is worth the memory. Which have come is noted
-- by 32 bits of their signature, each in one place of a table that never grows. Returns place and mark.
local function mark_of(bytes, length)
  local end_of = bytes + (length - 7)
  local mark = bor(lshift(end_of[0], 24), lshift(end_of[1], 16), lshift(end_of[2], 8), end_of[3])
  return band(bxor(mark, lshift(end_of[4], 8), lshift(end_of[5], 3)), SEEN - 1), mark
end

local function remember(keys, place, text, claims)
  if keys.young_count >= KNOWN_TOKENS then
    keys.old, keys.young, keys.young_count = keys.young, {}, 0
  end
  keys.young[place], keys.young_count = { text = text, claims = claims }, keys.young_count + 1
end

--- Verify a token. keys: from key_set; bytes, length: the token, a pointer to const unsigned char; now_s:
-- Unix seconds; grace_s: seconds after expiry still accepted (0 for buying; reading one's own reservation
-- allows more); audience: whom it must be for, the purchase if nil. Returns the claims, which are not to be
-- changed and need not all be there (gateway/entry_claims.lua), or nil and the reason (for the log; the
-- shopper hears bad_token only).
function _M.verify(keys, bytes, length, now_s, grace_s, audience)
  if length > MAX_TOKEN_BYTES or length < MIN_TOKEN_BYTES then
    return nil, "length"
  end
  local place, mark = mark_of(bytes, length)
  local came_before = seen[place] == mark
  -- No string is made of it before its signature is right: anybody can give many tokens one end, and
  -- LuaJIT would keep them under one hash.
  local known = came_before and (keys.young[place] or keys.old[place])
  local is_known = known and #known.text == length and C.memcmp(known.text, bytes, length) == 0
  local claims, fault = is_known and known.claims, nil
  if not is_known then
    claims, fault = read(keys, bytes, length)
  end
  -- Here and not with the other claims: a token that is known may be shown at another door.
  if not fault and claims.aud ~= (audience or BUYING) then
    fault = "audience"
  end
  fault = fault or time_fault(claims, now_s, grace_s)
  if fault then
    return nil, fault
  end
  if not came_before then
    seen[place] = mark
  elseif not is_known then
    remember(keys, place, string_of(bytes, length), claims)
  end
  return claims
end

return _M
