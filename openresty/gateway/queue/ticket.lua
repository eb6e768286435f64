-- A ticket: a place in an item's queue, signed and carried by the visitor; nothing is stored (DESIGN §6).
--
-- kid.payload.signature: payload is JSON in base64url, signature the HMAC-SHA256 of what stands before it,
-- with a key derived from the entry key of that kid. The letters are compared: each has one spelling.
-- The same in Python, for the golden vectors: tests/vectors/queue_ticket.py.

local base64 = require "ngx.base64"
local cjson = require "cjson.safe"
local ffi = require "ffi"
local hmac = require "gateway.hmac"
local payload = require "gateway.payload"

local const_bytes = ffi.typeof("const unsigned char *")
local find, format, match = string.find, string.format, string.match

local DOMAIN = "sluice-ticket-1"
local MAX_BYTES = 512
local DIGEST_LETTERS = 43
local KINDS = { lobby = true, fifo = true, place = true }
local NUMBER_MAX = 2 ^ 53

local _M = {}

--- Prepare the keys of one snapshot, as token.key_set. The one that signs, or else the first, signs tickets.
-- entry_keys: those of entry tokens, and older ones that signed tickets of a sale that is not over.
function _M.key_set(entry_keys)
  local by_kid, signer = {}, nil
  for _, key in ipairs(entry_keys) do
    local secret = type(key.secret) == "string" and base64.decode_base64url(key.secret)
    if type(key.kid) ~= "string" or not secret or secret == "" then
      error("entry key " .. tostring(key.kid) .. " is malformed", 2)
    end
    -- A key of its own: an entry token can never be read as a ticket, nor a ticket as a token.
    local _, letters_of, is_signed = hmac.new((hmac.new(secret))(DOMAIN))
    by_kid[key.kid] = is_signed
    if not signer or (key.sign and not signer.sign) then
      signer = { kid = key.kid, letters_of = letters_of, sign = key.sign }
    end
  end
  return { by_kid = by_kid, signer = signer }
end

--- Write a ticket. fields: item, bucket (index), kind ("lobby": number is a lobby number, "fifo": one of
-- the counter's, "place": a place), number, shopper, generation, exp (Unix seconds); of the checked
-- character sets, which need no JSON escapes.
function _M.sign(keys, fields)
  local signer = keys.signer
  local json = format(
    '{"v":1,"item":%d,"bucket":%d,"kind":"%s","number":%d,"sub":"%s","gen":%d,"exp":%d}',
    fields.item, fields.bucket, fields.kind, fields.number, fields.shopper, fields.generation,
    fields.exp)
  local text = signer.kid .. "." .. base64.encode_base64url(json)
  return text .. "." .. signer.letters_of({ text }, DIGEST_LETTERS)
end

local function whole(value, min)
  return type(value) == "number" and value % 1 == 0 and value >= min and value < NUMBER_MAX
end

--- Read a ticket. Returns its claims {item, bucket, kind, number, sub, gen, exp, is_newest_key}, or nil when
-- it is not one of ours or has expired. Whose it is and of which item the caller compares.
function _M.verify(keys, text, now_s)
  if #text > MAX_BYTES then
    return nil
  end
  local kid, dot = match(text, "^([%w_%-]+)%.()")
  local is_signed = kid and keys.by_kid[kid]
  local second = is_signed and find(text, ".", dot, true)
  local bytes = ffi.cast(const_bytes, text)
  if not second or not is_signed(bytes, second - 1, #text) then
    return nil
  end
  local _, count = payload.decode(bytes + (dot - 1), second - dot)
  local claims = count and cjson.decode(payload.text(count, bytes + second))
  -- Signed by us, so these are only wrong when another version of us wrote it.
  if type(claims) ~= "table" or claims.v ~= 1 or not KINDS[claims.kind] or type(claims.sub) ~= "string"
      or not (whole(claims.item, 1) and whole(claims.bucket, 0) and whole(claims.number, 0)
        and whole(claims.gen, 1) and whole(claims.exp, 1)) or now_s >= claims.exp then
    return nil
  end
  claims.is_newest_key = kid == keys.signer.kid
  return claims
end

return _M
