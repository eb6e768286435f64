-- A request goes through a list of steps; the first that returns an outcome ends it.

-- One call after another instead of a loop: LuaJIT compiles a loop for the function that it met first in it,
-- and every other step would leave that code and come back.
local CALL = [[
  code, detail, retry_after_ms = step_%d(req)
  if code then
    return code, detail, retry_after_ms
  end
]]

--- steps: functions of req that return nil to go on, or an outcome, its detail and retry_after_ms. Returns a
-- function of req that returns what the one that decided did; it raises when none does.
return function(steps)
  local names, calls = {}, {}
  for i = 1, #steps do
    names[i], calls[i] = "step_" .. i, string.format(CALL, i)
  end
  local text = "local " .. table.concat(names, ", ") .. " = ...\n"
    .. "return function(req)\n  local code, detail, retry_after_ms\n" .. table.concat(calls)
    .. '  error("the last step must decide")\nend\n'
  return assert(loadstring(text, "=steps"))(unpack(steps))
end
