-- What the gateway's modules need of nginx at load, and what specs look at: busted runs outside of it.
-- Only what has no behaviour worth testing is stood in for; tests/gateway runs a real nginx.

local base64 = require "spec.support.base64"
local bit = require "bit"
local cjson = require "cjson.safe"

local function crc32_short(text)
  local crc = 0xffffffff
  for i = 1, #text do
    crc = bit.bxor(crc, string.byte(text, i))
    for _ = 1, 8 do
      crc = bit.bxor(bit.rshift(crc, 1), bit.band(crc, 1) == 1 and 0xedb88320 or 0)
    end
  end
  return bit.bnot(crc) % 2 ^ 32
end

local function not_here(name)
  return function()
    error(name .. " needs a real nginx")
  end
end

_G.ngx = {
  null = cjson.null,
  WARN = 5,
  ERR = 4,
  log = function() end,
  now = function() return 0 end,
  time = function() return 0 end,
  crc32_short = crc32_short,
  socket = { tcp = not_here("a cosocket") },
  timer = { at = not_here("a timer"), every = not_here("a timer") },
  shared = { sluice_metrics = { set = function() end } },
  worker = { exiting = function() return false end, id = function() return 0 end },
  var = {},
  header = {},
}

package.preload["ngx.base64"] = function() return base64 end
package.preload["gateway.variable"] = function() return require "spec.support.variable" end
package.preload["ngx.semaphore"] = function() return { new = not_here("a semaphore") } end

-- busted loads modules anew for each file, but LuaJIT takes a C declaration only once.
require "gateway.hmac"
