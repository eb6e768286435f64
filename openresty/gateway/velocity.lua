-- How many distinct shoppers one device or address has shown lately, over the workers of this gateway.
--
-- A window begins with the first shopper and ends within_s later; a shopper counts once in it. Memory is
-- bounded: under a flood the oldest make room, and then too few are counted. The sliding windows over all
-- gateways are the risk scorer's.

local hmac = require "gateway.hmac"

local ngx = ngx

-- Long enough that two never share a key by chance, and short: there is one a shopper.
local KEY_LETTERS = 16

local _M = {}

local letters

--- config: gateway.config's table. Called once in each worker. Keys are keyed hashes: nobody can choose
-- shoppers that count as one, and their ends differ (gateway/base64url.lua).
function _M.configure(config)
  local _, letters_of = hmac.new("velocity " .. config.reservation_key)
  letters = letters_of
end

--- Note that `subject` (a device or an address) came with `shopper`; returns how many different ones it has
-- come with in its window. rule_id: whose count it is.
function _M.count(rule_id, subject, shopper, within_s)
  local counts = ngx.shared.sluice_velocity
  local key = letters({ rule_id, " ", subject }, KEY_LETTERS)
  local is_new = counts:add(letters({ rule_id, " ", shopper, " ", subject }, KEY_LETTERS), true, within_s)
  return counts:incr(key, is_new and 1 or 0, 0, within_s) or 0
end

return _M
