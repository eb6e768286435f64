-- The environment of one gateway, read and checked once in the master: a wrong value stops the start.

local _M = {}

local function fail(name, reason)
  error("SLUICE configuration: " .. name .. " " .. reason, 0)
end

local function required(getenv, name)
  local value = getenv(name)
  if not value or value == "" then
    fail(name, "is missing")
  end
  return value
end

local function secret(getenv, name)
  local value = required(getenv, name)
  if #value < 32 then
    fail(name, "must have at least 32 characters")
  end
  return value
end

local function integer(getenv, name, default, min, max)
  local value = getenv(name)
  if not value or value == "" then
    return default
  end
  local number = tonumber(string.match(value, "^%d+$"))
  if not number or number < min or number > max then
    fail(name, "must be an integer from " .. min .. " to " .. max .. ", not " .. value)
  end
  return number
end

local function endpoint(name, text)
  local host, port = string.match(text, "^([%w%.%-]+):(%d+)$")
  port = tonumber(port)
  if not host or port < 1 or port > 65535 then
    fail(name, "must be host:port, not " .. text)
  end
  return { host = host, port = port }
end

local function endpoints(name, text)
  local list = {}
  for one in string.gmatch(text .. ",", "([^,]*),") do
    list[#list + 1] = endpoint(name, one)
  end
  return list
end

local function optional_endpoints(getenv, name)
  local text = getenv(name)
  return text and text ~= "" and endpoints(name, text) or nil
end

-- A name that stands in topics, metrics and messages as it is.
local function name_of(getenv, name, default)
  local value = getenv(name)
  if not value or value == "" then
    return default
  end
  if #value > 100 or not string.find(value, "^[%w%._%-]+$") then
    fail(name, "must be up to 100 of A-Z a-z 0-9 . _ -, not " .. value)
  end
  return value
end

local function one_of(getenv, name, default, words)
  local value = getenv(name)
  if not value or value == "" then
    return default
  end
  for _, word in ipairs(words) do
    if value == word then
      return value
    end
  end
  fail(name, "must be one of " .. table.concat(words, ", ") .. ", not " .. value)
end

-- redis://[[user]:password@]host:port[/db]
local function redis_url(getenv, name)
  local url = required(getenv, name)
  local credentials, rest = string.match(url, "^redis://([^@/]*)@(.+)$")
  if not credentials then
    credentials, rest = "", string.match(url, "^redis://(.+)$")
  end
  local address, db = string.match(rest or "", "^([^/]+)/?(%d*)$")
  local user, password = string.match(credentials, "^([^:]*):(.*)$")
  if not address or (credentials ~= "" and not password) then
    fail(name, "must be redis://[user:password@]host:port[/db]")
  end
  local target = endpoint(name, address)
  target.user, target.password = user, password
  target.db = tonumber(db) or 0
  return target
end

local function http_url(getenv, name)
  local address = string.match(required(getenv, name), "^http://([^/]+)/?$")
  if not address then
    fail(name, "must be http://host:port")
  end
  return endpoint(name, address)
end

-- What operators know this gateway by.
local function instance(getenv, port)
  local value = getenv("SLUICE_INSTANCE")
  if not value or value == "" then
    local file = io.open("/proc/sys/kernel/hostname")
    local host = file and file:read("*l")
    if file then
      file:close()
    end
    value = (host or "gateway") .. ":" .. port
  end
  if not string.match(value, "^[%w%.:_%-]+$") or #value > 64 then
    fail("SLUICE_INSTANCE", "must be up to 64 characters of A-Z a-z 0-9 . : _ -, not " .. value)
  end
  return value
end

-- The console's balancer is given an address and looks up no name.
local function address_url(getenv, name)
  local target = http_url(getenv, name)
  if not string.match(target.host, "^%d+%.%d+%.%d+%.%d+$") then
    fail(name, "must have an IPv4 address, not the name " .. target.host)
  end
  return target
end

local function optional_address_url(getenv, name)
  local text = getenv(name)
  return text and text ~= "" and address_url(getenv, name) or nil
end

--- Read and check every variable of the gateway.
-- getenv: function(name) → string or nil, os.getenv in production; port: where it serves shoppers.
-- Returns the configuration table; times in ms. Raises a string that names the variable and the fault.
function _M.read(getenv, port)
  local config = {
    stock_redis = endpoints("SLUICE_STOCK_REDIS", required(getenv, "SLUICE_STOCK_REDIS")),
    -- The standby cluster has the same users; without one a sale cannot be switched to it here.
    stock_standby_redis = optional_endpoints(getenv, "SLUICE_STOCK_STANDBY_REDIS"),
    stock_redis_user = required(getenv, "SLUICE_STOCK_REDIS_USER"),
    stock_redis_password = required(getenv, "SLUICE_STOCK_REDIS_PASSWORD"),
    work_redis = redis_url(getenv, "SLUICE_WORK_REDIS_URL"),
    control_plane = address_url(getenv, "SLUICE_CONTROL_PLANE_URL"),
    -- The next version of it, for the console alone.
    control_plane_green = optional_address_url(getenv, "SLUICE_CONTROL_PLANE_GREEN_URL"),
    console_scheme = one_of(getenv, "SLUICE_CONSOLE_SCHEME", "http", { "http", "https" }),
    snapshot_key = secret(getenv, "SLUICE_SNAPSHOT_KEY"),
    internal_token = secret(getenv, "SLUICE_INTERNAL_TOKEN"),
    reservation_key = secret(getenv, "SLUICE_RESERVATION_KEY"),
    var_dir = required(getenv, "SLUICE_VAR_DIR"),
    instance = instance(getenv, port),
    -- One script call holds Redis for about 3 µs a request; 512 is 1.5 ms.
    batch_max = integer(getenv, "SLUICE_BATCH_MAX", 512, 1, 1024),
    -- Requests one worker may hold for one node while it works; beyond it they hear `busy` at once.
    queue_max = integer(getenv, "SLUICE_QUEUE_MAX", 10000, 1, 1000000),
    reserve_timeout_ms = integer(getenv, "SLUICE_RESERVE_TIMEOUT_MS", 1000, 10, 60000),
    -- Connections or answers in a row that did not come until an upstream is left alone for a while.
    breaker_failures = integer(getenv, "SLUICE_BREAKER_FAILURES", 3, 1, 1000000),
    -- What a gateway does that has not heard of the control plane for longer than its lease.
    without_lease = one_of(getenv, "SLUICE_WITHOUT_LEASE", "sell", { "sell", "refuse" }),
    -- Without brokers the risk scorer hears nothing of this gateway.
    kafka_brokers = optional_endpoints(getenv, "SLUICE_KAFKA_BROKERS"),
    kafka_prefix = name_of(getenv, "SLUICE_KAFKA_PREFIX", ""),
    -- Lines in the access log for refusals of one outcome, in each worker.
    refusals_logged_per_s = integer(getenv, "SLUICE_REFUSALS_LOGGED_PER_S", 100, 0, 1000000),
    -- A receiver of OTLP/HTTP. Without one nothing is told of the purchases that are followed.
    otlp = optional_address_url(getenv, "SLUICE_OTLP_URL"),
  }
  if config.batch_max > config.queue_max then
    fail("SLUICE_BATCH_MAX", "must not exceed SLUICE_QUEUE_MAX")
  end
  return config
end

return _M
