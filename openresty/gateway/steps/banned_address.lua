-- Is the address banned? Asked before anything of the request is read, so that a flood of forged tokens,
-- which no limit behind the token ever meets, costs a look. While no address is banned, not even that.

local bans = require "gateway.bans"

local ngx = ngx

--- req: the purchase. Returns nil or "denied".
return function(req)
  if not bans.has_addresses() then
    return nil
  end
  local mode = req.item.switches.risk_mode
  if mode ~= "off" then
    return bans.meet(bans.of_address(ngx.var.binary_remote_addr), mode)
  end
end
