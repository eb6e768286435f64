-- Which snapshot each worker of this gateway runs, and since when.

local cjson = require "cjson.safe"

local ngx = ngx

local VERSION, APPLIED = "version of ", "applied by "

local _M = {}

--- This worker runs a snapshot from now on.
function _M.note(version)
  local shared, worker = ngx.shared.sluice_snapshot, ngx.worker.id()
  ngx.update_time()
  shared:set(APPLIED .. worker, ngx.now() * 1000)
  shared:set(VERSION .. worker, version)
end

--- What every worker that has a snapshot runs, in order: list of {worker, version, applied_at_ms}.
function _M.list()
  local shared, list = ngx.shared.sluice_snapshot, {}
  for worker = 0, ngx.worker.count() - 1 do
    local version = shared:get(VERSION .. worker)
    if version then
      list[#list + 1] =
        { worker = worker, version = version, applied_at_ms = shared:get(APPLIED .. worker) }
    end
  end
  return list
end

--- Content handler of GET /workers, on the internal port.
function _M.show()
  local list = _M.list()
  ngx.header["Content-Type"] = "application/json"
  ngx.print(#list > 0 and cjson.encode(list) or "[]") -- an empty table would be {}
end

return _M
