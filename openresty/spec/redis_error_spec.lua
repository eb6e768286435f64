-- gateway.redis_error: "it did not run" is said only where Redis says so.

local redis_error = require "gateway.redis_error"

local CASES = {
  fenced = {
    "NOSCRIPT No matching script. Please use EVAL.",
    "FENCED epoch 1 is not armed here",
  },
  moved = { "MOVED 12739 127.0.0.1:7002" },
  refused = {
    "ASK 12739 127.0.0.1:7002",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "CLUSTERDOWN Hash slot not served",
    "LOADING Redis is loading the dataset in memory",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "READONLY You can't write against a read only replica.",
    "BUSY Redis is busy running a script.",
    "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'",
    "MISCONF Errors writing to the AOF file: No space left on device",
    "NOREPLICAS Not enough good replicas to write.",
  },
  broken = {
    "BADCALL argument count",
    "NOPERM this user has no permissions to run the 'evalsha' command",
    "NOAUTH Authentication required.",
    "WRONGPASS invalid username-password pair or user is disabled.",
  },
  unknown = {
    "ERR user_script:91: too many results to unpack",
    "WRONGTYPE Operation against a key holding the wrong kind of value",
    "UNKILLABLE whatever",
    "BUSYGROUP Consumer Group name already exists",
    "oom in small letters",
    "",
  },
}

-- After these the slot may have another owner already.
local OUTDATED_MAP = {
  MOVED = true, ASK = true, CLUSTERDOWN = true, LOADING = true, MASTERDOWN = true, READONLY = true,
}

for _, replies in pairs(CASES) do
  for _, reply in ipairs(replies) do
    local word = reply:match("^%u*")
    local verb = OUTDATED_MAP[word] and "doubts" or "does not doubt"
    it(verb .. " the slot map after: " .. reply, function()
      local _, doubted = redis_error.verdict(reply)
      assert.equal(OUTDATED_MAP[word] or false, doubted)
    end)
  end
end

for verdict, replies in pairs(CASES) do
  for _, reply in ipairs(replies) do
    it("calls it " .. verdict .. ": " .. reply, function()
      assert.equal(verdict, redis_error.verdict(reply))
    end)
  end
end
