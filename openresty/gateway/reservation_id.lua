-- The id of a reservation, made before the reservation: a retry has the same one (DESIGN §4.6).

local hmac = require "gateway.hmac"

local match = string.match

local DIGEST_CHARS = 22 -- 132 bits: cannot be guessed or met by chance

local _M = {}

local letters_of
-- [7,"ann","key"], to be filled in at 2, 4 and 6.
local message = { "[", "", ',"', "", '","', "", '"]' }
local begins = {} -- item → shard → "<item>-<shard>-"; as many as the snapshots have had

--- config: gateway.config's table. Called once in each worker.
function _M.configure(config)
  local _, letters = hmac.new(config.reservation_key)
  letters_of = letters
end

local function begin_of(item, shard)
  local of_item = begins[item]
  if not of_item then
    of_item = {}
    begins[item] = of_item
  end
  local begin = of_item[shard]
  if not begin then
    begin = item .. "-" .. shard .. "-"
    of_item[shard] = begin
  end
  return begin
end

--- item, shard: integers of a snapshot; shopper, idempotency_key: strings of the checked character sets,
-- which need no JSON escapes. Returns "<item>-<shard>-<22 characters>".
function _M.make(item, shard, shopper, idempotency_key)
  message[2], message[4], message[6] = tostring(item), shopper, idempotency_key
  return letters_of(message, DIGEST_CHARS, begin_of(item, shard))
end

--- Returns item (string), shard (integer), or nil when the text cannot be an id of ours.
function _M.parse(text)
  local item, shard, digest = match(text, "^([1-9]%d*)%-(%d+)%-([%w_%-]+)$")
  if not item or #item > 15 or #shard > 3 or #digest ~= DIGEST_CHARS then
    return nil
  end
  return item, tonumber(shard)
end

return _M
