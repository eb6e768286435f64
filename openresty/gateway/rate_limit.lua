-- Rate limits: GCRA (ITU-T I.371, the "virtual scheduling" form) for address, device, shopper and level.
--
-- One number a key: TAT, the time at which its bucket is full again. An admission moves it by step_ms; who
-- would move it further than span_ms ahead of now is refused and told how long to wait.
--
-- Who was not here lately has a full bucket and gets a mark (visits.lua); from his second visit on his TAT
-- is in a dictionary that the workers share, the first visit counted in. Where a bucket fills slowly, it
-- is there from the first. There everything is added atomically, so workers never lose an admission of each
-- other. Where they meet at a bucket that was full, or at a refusal, one may see a TAT that is too high for a
-- microsecond: a race makes it stricter, never laxer. The oldest keys make room when memory is full.
--
-- A key is the very string that the request has already; one made for the purpose would cost as much as
-- the rest, and many alike would share a hash (gateway/base64url.lua). Hence a dictionary a dimension.
--
-- What other gateways admitted comes in through limit_sync.lua, which takes from here what was admitted.

local visits = require "gateway.visits"

local ngx = ngx
local floor, max = math.floor, math.max

-- Nobody need hear of a visit, here or at other gateways, when there was none for so long before it.
local LATELY_MS = 10000
-- Keys of one dimension that a worker notes between two reports; what is beyond stays unreported.
local NOTED_MAX = 20000

-- "ticket": how often a shopper shows one of a queue; the others are what a purchase is charged to.
local DIMENSIONS = { "address", "device", "shopper", "level", "ticket" }

local _M = { DIMENSIONS = DIMENSIONS, LATELY_MS = LATELY_MS }

local states = {}
for _, name in ipairs(DIMENSIONS) do
  states[name] = {
    dict = ngx.shared["sluice_limits_" .. name],
    visits = name ~= "level" and visits.new() or nil, -- of levels there are few
    noted = {}, -- key → ms admitted since the last report
    noted_count = 0,
    -- Of the request at hand: whether and where it has a mark, and whether its TAT was charged.
    is_marked = false,
    place = 0,
    mark = 0,
    is_charged = false,
  }
end
local addresses, devices, shoppers, levels, tickets =
  states.address, states.device, states.shopper, states.level, states.ticket

-- A bucket that has been full for late_ms is not fuller than full. Two workers may both raise it; after a
-- long time that would be an hour instead of a step, so who sees that takes his own back: all but a step,
-- because the other one's raise has swallowed this one's charge.
local function raise(dict, key, late_ms, seen_ms, rate)
  local tat_ms = dict:incr(key, late_ms)
  if tat_ms and late_ms > 2 * rate.span_ms and tat_ms - late_ms - seen_ms >= late_ms / 2 then
    dict:incr(key, rate.step_ms - late_ms)
  end
end

-- Where the key's mark would be, where marks tell enough: of levels there are few, and how long ago a visit
-- was is known for LATELY_MS.
local function find_place(state, key, rate)
  state.is_marked = rate ~= nil and state.visits ~= nil and rate.span_ms <= LATELY_MS
  if state.is_marked then
    state.place, state.mark = visits.place(key)
  end
end

-- The earliest TAT that can be true before this request, or nil when its bucket is full for sure. known: what
-- is at the key's place.
local function least_tat(state, known, rate, now_ms)
  if not state.is_marked then
    return now_ms
  end
  local ago_ms = visits.ago_ms(known, state.mark, now_ms)
  if not ago_ms or ago_ms > LATELY_MS then
    return nil
  end
  return max(now_ms, now_ms - ago_ms + rate.step_ms) -- he was admitted then, charged or not
end

-- Charge one admission. Returns nil, or how long to wait when there is none left; then nothing is charged.
-- Without memory there is no limit.
local function charge(state, key, known, rate, now_ms)
  local least_ms = least_tat(state, known, rate, now_ms)
  state.is_charged = least_ms ~= nil
  if not least_ms then
    return nil
  end
  local dict, step_ms = state.dict, rate.step_ms
  local tat_ms = dict:incr(key, step_ms, least_ms)
  if not tat_ms then
    state.is_charged = false
    return nil
  end
  local due_ms = least_ms + step_ms
  local ahead_ms = max(tat_ms, due_ms) - now_ms
  if ahead_ms > rate.span_ms then
    dict:incr(key, -step_ms)
    return ahead_ms - rate.span_ms
  end
  if tat_ms < due_ms then
    raise(dict, key, due_ms - tat_ms, tat_ms, rate)
  end
  return nil
end

local function give_back(state, key, rate)
  if rate and state.is_charged then
    state.dict:incr(key, -rate.step_ms)
  end
end

local function settle(state, key, rate, now_ms)
  if state.is_marked then
    visits.note(state.visits, state.place, state.mark, now_ms)
  end
  if not state.is_charged then
    return
  end
  local before = state.noted[key]
  if not before then
    if state.noted_count >= NOTED_MAX then
      return
    end
    state.noted_count = state.noted_count + 1
  end
  state.noted[key] = (before or 0) + rate.step_ms
end

--- May this request go on? limits: one level of a plan (gateway/limit_rules.lua); level: the key of this
-- level at this item; now_ms: Unix time. Returns nil, or how long to wait in ms. A request that one of them
-- refuses costs nothing in the others.
function _M.admit(limits, address, device, shopper, level, now_ms)
  now_ms = floor(now_ms)
  local by_address, by_device = limits.address, limits.device
  local by_shopper, by_level = limits.shopper, limits.level
  find_place(addresses, address, by_address)
  find_place(devices, device, by_device)
  find_place(shoppers, shopper, by_shopper)
  -- One right behind the other: each look is a miss in the cache, and so they are waited for together.
  local address_known = visits.at(addresses.visits, addresses.place)
  local device_known = visits.at(devices.visits, devices.place)
  local shopper_known = visits.at(shoppers.visits, shoppers.place)
  local wait_ms = by_address and charge(addresses, address, address_known, by_address, now_ms)
  if wait_ms then
    return wait_ms
  end
  wait_ms = by_device and charge(devices, device, device_known, by_device, now_ms)
  if wait_ms then
    give_back(addresses, address, by_address)
    return wait_ms
  end
  wait_ms = by_shopper and charge(shoppers, shopper, shopper_known, by_shopper, now_ms)
  if wait_ms then
    give_back(addresses, address, by_address)
    give_back(devices, device, by_device)
    return wait_ms
  end
  wait_ms = by_level and charge(levels, level, nil, by_level, now_ms)
  if wait_ms then
    give_back(addresses, address, by_address)
    give_back(devices, device, by_device)
    give_back(shoppers, shopper, by_shopper)
    return wait_ms
  end
  if by_address then settle(addresses, address, by_address, now_ms) end
  if by_device then settle(devices, device, by_device, now_ms) end
  if by_shopper then settle(shoppers, shopper, by_shopper, now_ms) end
  if by_level then settle(levels, level, by_level, now_ms) end
  return nil
end

--- May this shopper show a ticket now? rate: {step_ms, span_ms}. Returns as `admit`.
function _M.admit_ticket(shopper, rate, now_ms)
  now_ms = floor(now_ms)
  find_place(tickets, shopper, rate)
  local wait_ms = charge(tickets, shopper, visits.at(tickets.visits, tickets.place), rate, now_ms)
  if not wait_ms then
    settle(tickets, shopper, rate, now_ms)
  end
  return wait_ms
end

--- What this worker admitted since the last call, for keys that were here lately. Returns key → ms of one
-- dimension, or nil when there is nothing.
function _M.take(dimension)
  local state = states[dimension]
  if state.noted_count == 0 then
    return nil
  end
  local taken = state.noted
  state.noted, state.noted_count = {}, 0
  return taken
end

--- How far ahead of now_ms the key's TAT is here; 0 when its bucket is full.
function _M.ahead_ms(dimension, key, now_ms)
  return max(0, (states[dimension].dict:get(key) or 0) - now_ms)
end

--- All gateways together have moved the key's TAT to ahead_ms ahead of now_ms: not less is true here. What
-- this worker has admitted meanwhile comes on top.
function _M.catch_up(dimension, key, ahead_ms, now_ms)
  local state = states[dimension]
  local due_ms = now_ms + ahead_ms + (state.noted[key] or 0)
  local tat_ms = state.dict:incr(key, 0, due_ms)
  if tat_ms and tat_ms < due_ms then
    state.dict:incr(key, due_ms - tat_ms)
  end
end

return _M
