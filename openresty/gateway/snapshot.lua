-- The configuration this worker runs, and how a new one reaches it.
--
-- Worker 0 long-polls the control plane, checks, writes the last good copy to disk and puts it into shared
-- memory; every worker looks there every WATCH_S and builds its own view. Redis plays no part in this:
-- switches must work when Redis does not (DESIGN §8).

local breaker = require "gateway.breaker"
local cjson = require "cjson.safe"
local hmac = require "gateway.hmac"
local http = require "gateway.http"
local lease = require "gateway.lease"
local metrics = require "gateway.metrics"
local sources = require "gateway.sources"
local view_builder = require "gateway.snapshot_view"
local workers = require "gateway.workers"

local ngx = ngx

local WATCH_S = 0.05
-- Much shorter than the lease, which every poll renews; a worker that is told to stop ends its poll first,
-- so this bounds a reload too.
local POLL_WAIT_MS = 500
-- A control plane that hangs is given up and asked again.
local POLL_TIMEOUT_MS = 2000
local RETRY_S = 0.5
local RETRY_JITTER_S = 0.2 -- gateways must not all ask at once a control plane that comes back

local _M = {}

local view
local config, mac, upstream

--- The view of the newest good snapshot, or nil before the first.
function _M.current()
  return view
end

local function to_hex(bytes)
  return (string.gsub(bytes, ".", function(char)
    return string.format("%02x", string.byte(char))
  end))
end

-- Returns the document, or nil and what is wrong with the envelope.
local function open_envelope(text)
  local envelope = cjson.decode(text)
  if type(envelope) ~= "table" or type(envelope.body) ~= "string"
      or type(envelope.mac) ~= "string" then
    return nil, "not an envelope"
  end
  if not hmac.equal(to_hex(mac(envelope.body)), envelope.mac) then
    return nil, "wrong MAC"
  end
  local document = cjson.decode(envelope.body)
  if type(document) ~= "table" or document.version ~= envelope.version then
    return nil, "body and version disagree"
  end
  return document
end

-- Build a view; nil and the reason when the snapshot is not usable.
local function build(text)
  local document, fault = open_envelope(text)
  if not document then
    return nil, fault
  end
  local ok, result = pcall(view_builder.build, document)
  if not ok then
    return nil, result
  end
  return result
end

local function disk_path()
  return config.var_dir .. "/snapshot.json"
end

local function write_disk(text)
  local path = disk_path()
  -- During a reload two processes may write at the same time.
  local fresh = path .. "." .. ngx.worker.pid() .. ".new"
  local file, err = io.open(fresh, "w")
  local written = file and file:write(text)
  -- A full disk may show at close only; the old copy stays until the new one is whole.
  local closed = file and file:close()
  if written and closed then
    written, err = os.rename(fresh, path)
  end
  if not written or not closed then
    ngx.log(ngx.ERR, "cannot keep the snapshot on disk: ", err or "it could not be written")
  end
end

local function share(text, version)
  local shared = ngx.shared.sluice_snapshot
  shared:set("envelope", text)
  shared:set("version", version)
end

local function adopt(new_view)
  view = new_view
  sources.retain(new_view.lanes)
  metrics.snapshot(new_view.version, new_view.stock.generation)
  workers.note(new_view.version)
end

local function load_disk()
  local file = io.open(disk_path(), "r")
  if not file then
    return
  end
  local text = file:read("*a")
  file:close()
  local good, fault = build(text)
  if not good then
    ngx.log(ngx.ERR, "snapshot on disk refused: ", fault)
    return
  end
  share(text, good.version)
end

local function watch()
  local shared = ngx.shared.sluice_snapshot
  -- This first: it is shared after the version that it belongs to.
  local heard_at_ms = shared:get("heard_at_ms")
  local version = shared:get("version")
  -- Never back: see poll_once. The worker that polls may share an old version after a new one.
  if version and (not view or view.version < version) then
    local good, fault = build(shared:get("envelope"))
    if good then
      adopt(good)
    else
      ngx.log(ngx.ERR, "shared snapshot ", version, " refused: ", fault)
    end
  end
  if version and view and view.version >= version then
    lease.renew(heard_at_ms, view.stock.lease_ms)
  end
end

-- One poll. Returns true, or nil and the reason.
local function poll_once()
  local shared = ngx.shared.sluice_snapshot
  local after, sent_at_ms = shared:get("version") or 0, lease.now_ms()
  local status, body = http.get(config.control_plane,
    "/internal/snapshot?audience=gateway&after=" .. after .. "&wait_ms=" .. POLL_WAIT_MS,
    { Authorization = "Bearer " .. config.internal_token }, POLL_TIMEOUT_MS)
  if status then
    upstream:succeeded()
  else
    upstream:failed()
  end
  if status == 304 then
    -- It says so only after the whole wait, or it is not true for longer than since now.
    shared:set("heard_at_ms", math.min(sent_at_ms + POLL_WAIT_MS, lease.now_ms()))
    return true
  end
  if status ~= 200 then
    return nil, status and ("status " .. status) or body
  end
  local good, fault = build(body)
  if not good then
    return nil, "refused: " .. fault
  end
  -- Somebody may send an old snapshot again, properly signed; and during a reload the old worker 0 ends
  -- its poll while the new one is at work.
  local newest = shared:get("version") or 0
  if good.version < newest then
    return nil, "refused: version " .. good.version .. " is older than " .. newest
  end
  write_disk(body)
  share(body, good.version)
  shared:set("heard_at_ms", sent_at_ms) -- it was read some time after that
  return true
end

local function poll(premature)
  if premature then
    return
  end
  -- Whatever goes wrong, there is a next poll: without it no switch would reach this gateway any more.
  local ran, ok, err = pcall(poll_once)
  if not ran then
    ok, err = nil, ok
  end
  if not ok then
    ngx.log(ngx.WARN, "snapshot poll: ", err)
  end
  -- A new timer each round: a handler's memory is freed only when it ends.
  if not ngx.worker.exiting() then
    -- Each poll is its own try: there is nobody whom the breaker could keep from waiting.
    ngx.timer.at(ok and 0 or RETRY_S + RETRY_JITTER_S * math.random(), poll)
  end
end

--- Start this worker's watch, and in worker 0 the poll. config: gateway.config's table.
function _M.start(gateway_config)
  config = gateway_config
  mac = hmac.new(config.snapshot_key)
  if ngx.worker.id() == 0 then
    upstream = breaker.new("control-plane snapshot")
    if not ngx.shared.sluice_snapshot:get("version") then
      load_disk()
    end
    ngx.timer.at(0, poll)
  end
  watch()
  local ok, err = ngx.timer.every(WATCH_S, watch)
  if not ok then
    error("snapshot watch: " .. err)
  end
end

return _M
