-- A shared dictionary of nginx, as far as the limits use one. on_incr: called before each, as another worker
-- would come in between.

local Dict = {}
Dict.__index = Dict

function Dict:incr(key, value, init)
  if self.on_incr then
    self.on_incr(self, key)
  end
  if not self.values[key] and not init then
    return nil, "not found"
  end
  self.values[key] = (self.values[key] or init) + value
  return self.values[key]
end

function Dict:get(key)
  return self.values[key]
end

return function()
  return setmetatable({ values = {} }, Dict)
end
