-- What was found out for a key, for keys of which a crowd has few and strangers may think of any number: when
-- there are too many all make room, and a long one is not kept.

local _M = {}
_M.__index = _M

--- A cache of at most `count_max` keys of at most `key_max` bytes. Values: anything but nil.
function _M.new(count_max, key_max)
  return setmetatable({ entries = {}, count = 0, count_max = count_max, key_max = key_max }, _M)
end

--- The value of a key, or nil.
function _M:get(key)
  return self.entries[key]
end

--- Keep a value for a key that has none; returns it.
function _M:put(key, value)
  if #key <= self.key_max then
    if self.count >= self.count_max then
      self.entries, self.count = {}, 0
    end
    self.entries[key], self.count = value, self.count + 1
  end
  return value
end

return _M
