-- Step 2: one exact shape of request and nothing else. Fills qty, idempotency_key, ticket.

local cjson = require "cjson.safe"

local ngx = ngx
local find = string.find

local MAX_BODY_BYTES = 600 -- a ticket has at most 512
local MAX_QTY = 100
local PLAIN_BODY = '{"qty":1}'

local FIELDS = { qty = true, ticket = true }

local function field_fault(body)
  for name in pairs(body) do
    if not FIELDS[name] then
      -- The name is the client's own bytes and need not be text.
      return find(name, "^[%w_]+$") and "unknown field " .. name or "unknown field"
    end
  end
  local qty = body.qty
  if type(qty) ~= "number" or qty % 1 ~= 0 or qty < 1 or qty > MAX_QTY then
    return "qty must be an integer from 1 to " .. MAX_QTY
  end
  local ticket = body.ticket
  if ticket ~= nil and (type(ticket) ~= "string" or #ticket > 512
      or not find(ticket, "^[%w%._%-]+$")) then
    return "ticket is malformed"
  end
end

-- cjson takes the last of two equal names, 01, 1.0 or 1e0 for 1, and a NUL for the end; a proxy in front
-- might not. One occurrence of each name and plain digits leave nothing to disagree about.
local function spelling_fault(text)
  local _, names = string.gsub(text, '"%s*:', "")
  local _, qty = string.gsub(text, '"qty"%s*:%s*[1-9]%d*%s*[,}]', "")
  local _, ticket = string.gsub(text, '"ticket"%s*:', "")
  if qty ~= 1 or names ~= qty + ticket or ticket > 1 or find(text, "%z") then
    return "each field once, qty as plain digits"
  end
end

local function read_body(req)
  local var = ngx.var
  local length = tonumber(var.content_length)
  if not length then
    return "content-length is missing" -- no body, or a chunked one
  end
  -- Before nginx reads it; nginx's own limit would write the URL with its path_key to the error log.
  if length > MAX_BODY_BYTES then
    return "body too large"
  end
  ngx.req.read_body()
  local text = var.request_body -- as ngx.req.get_body_data, which LuaJIT does not compile
  if text == PLAIN_BODY then
    req.qty = 1
    return nil
  end
  if not text then
    return "body is missing"
  end
  local body = cjson.decode(text)
  if type(body) ~= "table" or not find(text, "^%s*{") then
    return "body must be a JSON object"
  end
  local fault = field_fault(body) or spelling_fault(text)
  if fault then
    return fault
  end
  req.qty, req.ticket = body.qty, body.ticket
end

local function check(req)
  if ngx.req.get_method() ~= "POST" then
    return "method must be POST"
  end
  local var = ngx.var
  local content_type = var.http_content_type
  if content_type ~= "application/json" and content_type ~= "application/json; charset=utf-8" then
    return "content-type must be application/json"
  end
  if var.args then
    return "no query string here"
  end
  local key = var.http_idempotency_key or ""
  if key ~= "" and (#key > 64 or not find(key, "^[%w_%-]+$")) then
    return "idempotency-key must be up to 64 characters of A-Z a-z 0-9 _ -"
  end
  req.idempotency_key = key
  return read_body(req)
end

--- req: the purchase. Returns nil to go on, or "bad_request" and what is wrong.
return function(req)
  local fault = check(req)
  if fault then
    return "bad_request", fault
  end
end
