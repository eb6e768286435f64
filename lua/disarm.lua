#!lua flags=allow-oom
-- Let one epoch sell nothing any more, for good.
--
-- Also where its keys are gone: the record left behind keeps an agent that was slow from arming the epoch.
-- Needs no fence: it takes nothing and gives nothing, and it must work on whatever is left of a shard.
-- allow-oom: a full server gets its memory back from epochs that ended.
--
-- KEYS  1 ctl
-- ARGV  1 epoch
-- Returns 1 the first time, 0 on a repeat.
-- Errors BADCALL: the caller is wrong. NOREPLICAS, READONLY from Redis: it can still sell later.
-- Repeat safe.

local epoch = ARGV[1]
if not epoch then
  return redis.error_reply("BADCALL epoch")
end
if redis.call("HEXISTS", KEYS[1], "disarmed") == 1 then
  return 0
end
redis.call("HSET", KEYS[1], "epoch", epoch, "disarmed", "1")
return 1
