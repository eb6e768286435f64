-- Is this gateway alive, and can it serve?

local outcome = require "gateway.outcome"
local snapshot = require "gateway.snapshot"

local ngx = ngx

local _M = {}

--- The worker answers.
function _M.alive()
  ngx.say("ok")
end

--- The worker holds a snapshot. Redis is not asked: without it the true answer is `busy`, given here.
function _M.ready()
  local view = snapshot.current()
  if not view then
    return outcome.refuse("busy", "no snapshot yet")
  end
  ngx.say("ok, snapshot ", view.version)
end

return _M
