-- gateway.console: which paths there are. Whatever else a path is, it never leads to another area.

require "spec.support.nginx"
package.preload["ngx.balancer"] = function() return {} end
local console = require "gateway.console"

describe("a path", function()
  for path, area in pairs({
    ["/admin/"] = "admin",
    ["/admin/campaigns/campaign/7/change/"] = "admin",
    ["/admin/auth/user/_3Aa_2E/change/"] = "admin",
    ["/api/v1/campaigns/double-11/"] = "api",
    ["/static/admin/css/base.min-1.css"] = "static",
    ["/board/"] = "board",
    ["/i18n/setlang/"] = "i18n",
    ["/healthz"] = "healthz",
    ["/payments/callbacks/demo"] = "payments",
  }) do
    it("of ours is known: " .. path, function()
      assert.equal(area, console.area(path))
    end)
  end

  for _, path in ipairs({
    "", "/", "/admin", "/adminx/", "/ADMIN/", "/internal/snapshot", "//admin/", "/admin//internal/",
    "/admin/../internal/snapshot", "/admin/./", "/admin/.hidden", "/admin/..", "/admin/%2e%2e/internal/",
    "/admin/..%2finternal/", "/admin/%41/", "/admin/a\\b/", "/admin/a;b/", "/admin/a b/", "/admin/顾客/",
    "/admin/\0/", "admin/", "/healthz/", "/readyz", "/metrics",
  }) do
    it("of another kind is not: " .. string.format("%q", path), function()
      assert.is_nil(console.area(path))
    end)
  end
end)
