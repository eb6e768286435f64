-- gateway.config: every wrong value is refused by the name of its variable.

local config = require "gateway.config"

local KEY = string.rep("k", 32)

local function environment()
  return {
    SLUICE_STOCK_REDIS = "127.0.0.1:7001,redis-b.example:7002",
    SLUICE_STOCK_REDIS_USER = "gateway",
    SLUICE_STOCK_REDIS_PASSWORD = "pw",
    SLUICE_WORK_REDIS_URL = "redis://cache:p:w@127.0.0.1:7100/3",
    SLUICE_CONTROL_PLANE_URL = "http://127.0.0.1:8000",
    SLUICE_SNAPSHOT_KEY = KEY,
    SLUICE_INTERNAL_TOKEN = KEY,
    SLUICE_RESERVATION_KEY = KEY,
    SLUICE_VAR_DIR = "/var/lib/sluice",
  }
end

local function read(changes)
  local values = environment()
  for name, value in pairs(changes or {}) do
    values[name] = value or nil
  end
  return config.read(function(name) return values[name] end, "8080")
end

it("reads what is right and has the documented defaults", function()
  local read_config = read()
  assert.same({ { host = "127.0.0.1", port = 7001 }, { host = "redis-b.example", port = 7002 } },
    read_config.stock_redis)
  assert.same({ host = "127.0.0.1", port = 7100, user = "cache", password = "p:w", db = 3 },
    read_config.work_redis)
  assert.same({ host = "127.0.0.1", port = 8000 }, read_config.control_plane)
  assert.equal(512, read_config.batch_max)
  assert.equal(10000, read_config.queue_max)
  assert.equal(1000, read_config.reserve_timeout_ms)
  assert.equal("sell", read_config.without_lease)
  assert.is_nil(read_config.stock_standby_redis)
  assert.is_nil(read_config.control_plane_green)
  assert.equal("http", read_config.console_scheme)
end)

it("reads a second version of the control plane where there is one", function()
  local green = read({ SLUICE_CONTROL_PLANE_GREEN_URL = "http://127.0.0.1:8001" }).control_plane_green
  assert.same({ host = "127.0.0.1", port = 8001 }, green)
  assert.is_nil(read({ SLUICE_CONTROL_PLANE_GREEN_URL = "" }).control_plane_green)
end)

it("tells no risk scorer unless brokers are given", function()
  assert.is_nil(read().kafka_brokers)
  local config_read = read({ SLUICE_KAFKA_BROKERS = "10.0.0.1:9092,kafka-2:9093", SLUICE_INSTANCE = "gw-1" })
  assert.same({ { host = "10.0.0.1", port = 9092 }, { host = "kafka-2", port = 9093 } },
    config_read.kafka_brokers)
  assert.same({ "gw-1", "" }, { config_read.instance, config_read.kafka_prefix })
end)

it("reads a standby cluster where there is one", function()
  local standby = read({ SLUICE_STOCK_STANDBY_REDIS = "127.0.0.1:7051" }).stock_standby_redis
  assert.same({ { host = "127.0.0.1", port = 7051 } }, standby)
  assert.is_nil(read({ SLUICE_STOCK_STANDBY_REDIS = "" }).stock_standby_redis)
end)

it("knows both ways to go on without a lease", function()
  for _, way in ipairs({ "sell", "refuse" }) do
    assert.equal(way, read({ SLUICE_WITHOUT_LEASE = way }).without_lease)
  end
end)

it("reads a work Redis without password or database", function()
  local target = read({ SLUICE_WORK_REDIS_URL = "redis://127.0.0.1:7100" }).work_redis
  assert.same({ host = "127.0.0.1", port = 7100, db = 0 }, target)
end)

it("reads a work Redis with a password and no user", function()
  local target = read({ SLUICE_WORK_REDIS_URL = "redis://:pw@127.0.0.1:7100/0" }).work_redis
  assert.same({ host = "127.0.0.1", port = 7100, user = "", password = "pw", db = 0 }, target)
end)

describe("a missing variable", function()
  for name in pairs(environment()) do
    it("is named: " .. name, function()
      for _, missing in ipairs({ false, "" }) do
        local ok, fault = pcall(read, { [name] = missing })
        assert.is_false(ok)
        assert.equal("SLUICE configuration: " .. name .. " is missing", fault)
      end
    end)
  end
end)

describe("a wrong value", function()
  local WRONG = {
    SLUICE_STOCK_REDIS = { "127.0.0.1", "127.0.0.1:", ":7001", "127.0.0.1:0", "127.0.0.1:65536",
      "127.0.0.1:7001,", ",", "127.0.0.1:7001,,127.0.0.1:7002", "127.0.0.1:7001 127.0.0.1:7002",
      "redis://127.0.0.1:7001", "host:port" },
    SLUICE_STOCK_STANDBY_REDIS = { "127.0.0.1", "127.0.0.1:7051,", "redis://127.0.0.1:7051" },
    SLUICE_KAFKA_BROKERS = { "127.0.0.1", "127.0.0.1:9092,", "kafka://127.0.0.1:9092" },
    SLUICE_KAFKA_PREFIX = { "a/b", "a b", string.rep("x", 101) },
    SLUICE_INSTANCE = { 'a"b', "a b", string.rep("x", 101) },
    SLUICE_WITHOUT_LEASE = { "no", "Sell", "sell ", "1" },
    SLUICE_WORK_REDIS_URL = { "127.0.0.1:7100", "redis://", "redis://127.0.0.1",
      "redis://127.0.0.1:7100/x", "redis://127.0.0.1:99999/0", "rediss://127.0.0.1:7100/0",
      "http://127.0.0.1:7100", "redis://pw@127.0.0.1:7100/0" },
    SLUICE_CONTROL_PLANE_URL = { "127.0.0.1:8000", "https://127.0.0.1:8000", "http://127.0.0.1",
      "http://127.0.0.1:8000/path", "http://127.0.0.1:0", "http://control-plane:8000" },
    SLUICE_CONTROL_PLANE_GREEN_URL = { "127.0.0.1:8001", "http://green:8001", "https://127.0.0.1:8001" },
    SLUICE_CONSOLE_SCHEME = { "HTTP", "ftp", "https " },
    SLUICE_SNAPSHOT_KEY = { string.rep("k", 31) },
    SLUICE_INTERNAL_TOKEN = { string.rep("k", 31) },
    SLUICE_RESERVATION_KEY = { string.rep("k", 31) },
    SLUICE_BATCH_MAX = { "0", "-1", "1025", "1.5", "many", "nan", "inf", "12x",
      "1e2", "0x10", " 12" },
    SLUICE_QUEUE_MAX = { "0", "1000001", "many" },
    SLUICE_RESERVE_TIMEOUT_MS = { "9", "60001", "1s", "0.5" },
  }
  for name, values in pairs(WRONG) do
    for _, value in ipairs(values) do
      it("is refused by name: " .. name .. "=" .. value, function()
        local ok, fault = pcall(read, { [name] = value })
        assert.is_false(ok)
        assert.equal(1, fault:find("SLUICE configuration: " .. name .. " must ", 1, true))
      end)
    end
  end

  it("of a secret is not repeated in the message", function()
    local _, fault = pcall(read, { SLUICE_SNAPSHOT_KEY = "short-secret" })
    assert.is_nil(fault:find("short-secret", 1, true))
    _, fault = pcall(read, { SLUICE_WORK_REDIS_URL = "redis://:hidden-pw@nowhere/0" })
    assert.is_nil(fault:find("hidden-pw", 1, true))
  end)

  it("is also a batch larger than the queue", function()
    assert.has_error(function() read({ SLUICE_BATCH_MAX = "11", SLUICE_QUEUE_MAX = "10" }) end,
      "SLUICE configuration: SLUICE_BATCH_MAX must not exceed SLUICE_QUEUE_MAX")
  end)
end)

describe("the limits themselves", function()
  for name, values in pairs({
    SLUICE_BATCH_MAX = { 1, 1024 },
    SLUICE_QUEUE_MAX = { 1024, 1000000 },
    SLUICE_RESERVE_TIMEOUT_MS = { 10, 60000 },
  }) do
    for _, value in ipairs(values) do
      it("are allowed: " .. name .. "=" .. value, function()
        assert.has_no_error(function() read({ [name] = tostring(value) }) end)
      end)
    end
  end
end)

it("is known by its host and port, or by the name it is given", function()
  assert.matches("^[%w%.%-_]+:8080$", read().instance)
  assert.equal("gw-3.example", read({ SLUICE_INSTANCE = "gw-3.example" }).instance)
  assert.has_error(function() read({ SLUICE_INSTANCE = 'a"b' }) end)
end)
