-- nginx's Lua for the gateway, Redis' Lua for the scripts, busted for the specs.
std = "ngx_lua"
max_line_length = 110
codes = true
cache = "var/cache/luacheck"
exclude_files = { "var", "edge-workers/node_modules" }

files["lua"] = {
  std = "lua51",
  read_globals = { "redis", "cjson", "cmsgpack", "bit", "struct", "KEYS", "ARGV" },
}
files["**/spec"] = { std = "ngx_lua+busted" }
files["**/*_spec.lua"] = { std = "ngx_lua+busted", globals = { "ngx" } } -- they stand in for parts of it
