-- A request goes through a list of steps; the first that returns an outcome ends it.

--- steps: functions of req that return nil to go on, or an outcome, its detail and retry_after_ms. Returns
-- what the one that decided did; raises when none does.
return function(steps, req)
  for i = 1, #steps do
    local code, detail, retry_after_ms = steps[i](req)
    if code then
      return code, detail, retry_after_ms
    end
  end
  error("the last step must decide")
end
