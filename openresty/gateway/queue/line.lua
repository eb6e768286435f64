-- One item's queue as this worker sees it: the window, and the way to numbers (DESIGN §6).
--
-- A lane of batch.lua: whoever waits while a call is in flight goes with the next one, one take_numbers.lua
-- call for all of them, whatever they want: a number, the newest window, or whether a place that was written
-- off had come before. Places that came are noted and travel along; nobody waits for that.

local batch = require "gateway.batch"
local metrics = require "gateway.metrics"
local redis_cluster = require "gateway.redis_cluster"
local redis_lane = require "gateway.redis_lane"
local resp = require "gateway.resp"
local scripts = require "gateway.queue.scripts"
local sources = require "gateway.sources"

local arg = resp.arg
local concat, gmatch = table.concat, string.gmatch
local ngx = ngx

-- How old a window may be before the next request asks for a newer one.
local FRESH_S = 0.2
-- After a call without an answer nobody waits for a newer window; the old one stands.
local FAILED_REST_S = 0.3
-- A mark of the controller is believed so long after it was read, as `S` is (gateway/sold_out.lua).
local BELIEVED_S = 0.25
-- What came and could not be told is forgotten beyond this: such places are written off, no more.
local CAME_MAX, CAME_PER_CALL = 20000, 2000
-- While the database sells, numbers come from the cluster that is there in any case.
local CLUSTER_OF = { primary = "primary", standby = "standby", database = "primary" }

local REFRESH = {}

local Line = {}
Line.__index = Line

local _M = {}

local batch_max = 512
local lines = {} -- item id → line

--- config: gateway.config's table. Called once in each worker.
function _M.configure(config)
  batch_max = config.batch_max
end

local function new(queue, cluster)
  local buckets = queue.last + 1
  local call = arg("EVALSHA") .. arg(scripts.take_numbers) .. arg(2 + buckets)
    .. arg(queue.tag .. ":ctl") .. arg(queue.tag .. ":numbers")
  for bucket = 0, queue.last do
    call = call .. arg(queue.tag .. ":came:" .. bucket)
  end
  return batch.lane(setmetatable({
    cluster = cluster,
    slot = redis_cluster.slot_of(queue.tag),
    batch_max = batch_max,
    last = queue.last,
    call = "*" .. (8 + buckets) .. "\r\n" .. call,
    came = {},
    came_sent = 0,
    window = nil, -- {generation, oldest, served, written, per_ks, gaps: by bucket; sold_out, read_at}
    failed_at = -FAILED_REST_S,
  }, Line))
end

--- The line of an item that has a queue, or nil when this gateway cannot reach its source.
function _M.of(item, source)
  local line, cluster = lines[item.id], sources.cluster(CLUSTER_OF[source])
  if not cluster then
    return nil
  end
  if not line or line.cluster ~= cluster or line.last ~= item.queue.last then
    line = new(item.queue, cluster)
    lines[item.id] = line
  end
  return line
end

function Line:node()
  return redis_lane.node_of(self.cluster, self.slot, "queue")
end

function Line:encode(parts, requests)
  local wants, asked = {}, {}
  for bucket = 0, self.last do
    wants[bucket + 1] = 0
  end
  for i = 1, #requests do
    local wish = requests[i].wish
    if wish.place then
      asked[#asked + 1] = wish.bucket .. ":" .. wish.place
      wish.index = #asked
    elseif wish.bucket then
      wish.index = wants[wish.bucket + 1] -- how many of its block go to others
      wants[wish.bucket + 1] = wish.index + 1
    end
  end
  self.came_sent = math.min(#self.came, CAME_PER_CALL)
  parts[#parts + 1] = self.call
  parts[#parts + 1] = arg(concat(wants, ","))
  parts[#parts + 1] = arg(concat(self.came, " ", 1, self.came_sent))
  parts[#parts + 1] = arg(concat(asked, " "))
  metrics.count("queue", "calls")
end

local function read_window(reply, last)
  local window = {
    generation = reply[1],
    oldest = reply[2],
    served = {},
    written = {},
    per_ks = {},
    gaps = {}, -- {first, beyond}, …: numbers that nobody holds
    sold_out = reply[4] == 1,
    read_at = ngx.now(),
  }
  local bucket = 0
  for served, written, per_ks in gmatch(reply[3], "(%d+):(%d+):(%d+)") do
    window.served[bucket], window.written[bucket] = tonumber(served), tonumber(written)
    window.per_ks[bucket], window.gaps[bucket], bucket = tonumber(per_ks), {}, bucket + 1
  end
  for b, first, beyond in gmatch(reply[7], "(%d+):(%d+):(%d+)") do
    local gaps = window.gaps[tonumber(b)]
    if gaps then
      gaps[#gaps + 1] = { tonumber(first), tonumber(beyond) }
    end
  end
  return bucket == last + 1 and window or nil
end

local function list_of(text)
  local list = {}
  for word in gmatch(text, "[^,]+") do
    list[#list + 1] = word
  end
  return list
end

-- Not by unpack: there may be more than fit onto Lua's stack.
local function forget_told(line)
  local came, rest = line.came, {}
  for i = line.came_sent + 1, #came do
    rest[#rest + 1] = came[i]
  end
  line.came, line.came_sent = rest, 0
end

function Line:finish(requests, reply)
  local window = type(reply) == "table" and #reply == 7 and read_window(reply, self.last)
  if not window then
    ngx.log(ngx.ERR, "the answer to a queue call cannot be read")
    return batch.finish_all(requests, "unknown")
  end
  self.window = window
  forget_told(self)
  local firsts, answers = list_of(reply[5]), list_of(reply[6])
  for i = 1, #requests do
    local wish = requests[i].wish
    if wish.place and answers[wish.index] == "came" then
      batch.finish(requests[i], "came")
    elseif wish.bucket then
      local number = tonumber(wish.place and answers[wish.index] or firsts[wish.bucket + 1])
      if not number or number < 0 then
        batch.finish(requests[i], "none")
      else
        batch.finish(requests[i], "number", wish.place and number or number + wish.index)
      end
    else
      batch.finish(requests[i], "window")
    end
  end
end

-- Returns the verdict and the number; a call without an answer is remembered for a moment.
local function ask(line, wish)
  local verdict, number = batch.reserve(line, wish)
  if verdict ~= "number" and verdict ~= "came" and verdict ~= "window" and verdict ~= "none" then
    line.failed_at = ngx.now()
  end
  return verdict, number
end

--- The next number of a bucket. Returns it, or nil when there is none to be had now.
function Line:take(bucket)
  local verdict, number = ask(self, { bucket = bucket, index = false })
  return verdict == "number" and number or nil
end

--- A place that was written off. Returns "came" when its holder had come before, or nil and a new number,
-- or nil alone.
function Line:take_again(bucket, place)
  local verdict, number = ask(self, { bucket = bucket, place = place, index = false })
  if verdict == "came" then
    return "came"
  end
  return nil, verdict == "number" and number or nil
end

--- The window, not older than FRESH_S where Redis answers; else the last that was read, or nil.
function Line:current()
  local window, now = self.window, ngx.now()
  local age = window and now - window.read_at
  -- Below 0: the clock was set back.
  if not age or age < 0 or age >= FRESH_S then
    local rested = now - self.failed_at
    if rested < 0 or rested >= FAILED_REST_S then
      ask(self, REFRESH)
    end
  end
  return self.window
end

--- Whether the controller sees nothing left anywhere, as far as this worker has read lately.
function _M.is_sold_out(window)
  local age = ngx.now() - window.read_at
  return window.sold_out and age >= 0 and age < BELIEVED_S
end

local function tell(_, line)
  line.will_tell = nil
  if #line.came > 0 then
    ask(line, REFRESH)
  end
  if #line.came > 0 then
    line:tell_soon()
  end
end

function Line:tell_soon()
  if self.will_tell then
    return
  end
  -- A worker that is told to stop has immediate timers only.
  local delay = ngx.worker.exiting() and 0 or FRESH_S
  local ok, err = ngx.timer.at(delay, tell, self)
  if ok then
    self.will_tell = true
  else
    ngx.log(ngx.WARN, "places that came wait: ", err)
  end
end

--- The holder of a place has come. Told with the next call, within FRESH_S; nobody waits for it.
function Line:note_came(bucket, place)
  if #self.came < CAME_MAX then
    self.came[#self.came + 1] = bucket .. ":" .. place
    self:tell_soon()
  end
end

return _M
