-- wrk: send prepared requests one after another, each once. They all have LEN bytes in the file REQUESTS.
--
-- The file stays one string: LuaJIT hashes only a few bytes of a long string, and 200,000 strings that differ
-- in the others would all meet in one bucket.

local file = io.open(os.getenv("REQUESTS"), "rb")
local requests = file:read("*a")
file:close()

local length = tonumber(os.getenv("LEN"))
local count = #requests / length
local next_request = 0

function request()
  local at = (next_request % count) * length
  next_request = next_request + 1
  return string.sub(requests, at + 1, at + length)
end
