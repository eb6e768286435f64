#!lua flags=allow-oom
-- Give back the memory of an epoch that PostgreSQL has closed and whose outbox was emptied by trim.lua.
--
-- That it is closed is the caller's knowledge; that it sells nothing here, and that nothing waits in its
-- outbox, is checked. The record ctl stays for a day, disarmed: it keeps an agent that was slow from arming
-- the epoch again. allow-oom: a full server must still be able to get rid of something.
--
-- KEYS  1 ctl · 2 avail · 3 buyers · 4 outbox · 5 grants · 6 reclaims · 7 bans
-- ARGV  1 epoch
-- Returns how many of the six keys besides ctl went; 0 when none was there.
-- Errors NOTOVER: the epoch is armed in this life, or its outbox has entries. BADCALL: the caller is wrong.
-- Repeat safe. Needs no fence: what a failover brings back is of another life, and is forgotten again.

local RECORD_LIVES_S = 86400

local epoch = ARGV[1]
if not epoch or #KEYS ~= 7 then
  return redis.error_reply("BADCALL epoch")
end
local ctl = redis.call("HMGET", KEYS[1], "epoch", "disarmed", "life")
local life = "\nmaster_replid:" .. (ctl[3] or "none") .. "\r\n"
if not ctl[2] and string.find(redis.call("INFO", "replication"), life, 1, true) then
  return redis.error_reply("NOTOVER epoch " .. epoch .. " is armed here")
end
if redis.call("XLEN", KEYS[4]) > 0 then
  return redis.error_reply("NOTOVER the outbox of epoch " .. epoch .. " has entries")
end

local gone = redis.call("UNLINK", KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7])
if gone > 0 or ctl[1] then
  redis.call("HSET", KEYS[1], "epoch", epoch, "disarmed", "1")
  redis.call("EXPIRE", KEYS[1], RECORD_LIVES_S, "NX")
end
return gone
