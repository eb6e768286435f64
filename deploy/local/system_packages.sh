# shellcheck shell=bash
# Sourced by setup.sh: what the system must have, and how Debian and Ubuntu are given it.
# No service is started, stopped or enabled by this: the stack runs its own servers from var/.

PYTHON_MINIMUM="3.11"

# The newest interpreter that is new enough; empty when there is none.
newest_python() {
  local candidate
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
}

# Each probe prints nothing when all is there, else "package|what a person has to look for".
probe() { # probe PACKAGE WHAT TEST…
  local package=$1 what=$2
  shift 2
  "$@" >/dev/null 2>&1 || printf '%s|%s\n' "$package" "$what"
}
has() { command -v "$1" || [ -x "/usr/sbin/$1" ]; }
any() { compgen -G "$1"; }

probe_all() {
  local lua=/usr/share/lua/5.1
  if ! has openresty; then
    probe nginx "nginx, or openresty" has nginx
    probe libnginx-mod-http-lua "nginx's Lua module" any '/usr/lib/nginx/modules/ngx_http_lua_module.so'
    probe libnginx-mod-http-modsecurity "nginx's ModSecurity module" \
      any '/usr/lib/nginx/modules/ngx_http_modsecurity_module.so'
    probe modsecurity-crs "OWASP core rule set" any '/usr/share/modsecurity-crs/rules/REQUEST-9*.conf'
    probe lua-resty-core "Lua module resty.core" any "$lua/resty/core.lua"
    probe lua-resty-lrucache "Lua module resty.lrucache" any "$lua/resty/lrucache.lua"
    probe lua-nginx-redis "Lua module nginx.redis" any "$lua/nginx/redis.lua"
  fi
  # Debian's package `luajit` would remove nginx's Lua module; `luajit2` lives beside it.
  probe luajit2 "LuaJIT 2.1" has luajit
  probe lua-cjson "Lua module cjson" any '/usr/lib/*/lua/5.1/cjson.so'
  probe lua-busted "busted" has busted
  probe lua-check "luacheck" has luacheck
  probe redis-server "redis-server 7 or newer" has redis-server
  probe postgresql "PostgreSQL 14 or newer" eval "any '/usr/lib/postgresql/*/bin/initdb' || has initdb"
  probe default-jre-headless "Java 17 or newer" has java
  probe maven "Maven" has mvn
  probe nodejs "Node 18 or newer" has node
  probe npm "npm" has npm
  probe python3-venv "Python $PYTHON_MINIMUM or newer with venv" test -n "$(newest_python)"
  probe prometheus "prometheus and promtool" eval "has prometheus && has promtool"
  probe prometheus-alertmanager "Alertmanager" eval "has prometheus-alertmanager || has alertmanager"
  probe ca-certificates "certificate authorities" any '/etc/ssl/certs/ca-certificates.crt'
  probe util-linux "setpriv" has setpriv
  probe util-linux "taskset" has taskset
  probe php-cli "PHP (tests/deploy: the example of a shop in PHP)" has php
  probe wrk "wrk (make bench)" has wrk
  probe chromium "Chromium (tests/e2e/storefront)" eval "has chromium || has chromium-browser"
}

# An OpenResty of one's own has the module only when it was built with it.
without_firewall() {
  local rules='/usr/share/modsecurity-crs/rules/REQUEST-9*.conf'
  has openresty >/dev/null || return 0
  if ! openresty -V 2>&1 | grep -qi modsecurity || ! any "$rules" >/dev/null; then
    echo "  OpenResty without ModSecurity, or no modsecurity-crs: the console runs without; see deploy/waf/README.md"
  fi
}

system_packages() {
  local missing
  missing=$(probe_all)
  if [ -n "$missing" ]; then
    if [ -e /etc/debian_version ] && command -v apt-get >/dev/null; then
      install_packages "$(cut -d '|' -f 1 <<<"$missing" | tr '\n' ' ')"
    fi
    missing=$(probe_all)
  fi
  missing=$({ cut -d '|' -f 2 <<<"$missing"; too_old; } | sed '/^$/d; s/^/  - /')
  [ -z "$missing" ] || fail "this system lacks what Sluice needs:
$missing"
  without_firewall
}

# Prints what is installed but older than what the code relies on.
too_old() {
  ! has redis-server >/dev/null || at_least 7 "$(redis-server --version | sed 's/.*v=\([0-9]*\).*/\1/')" ||
    echo "redis-server 7 or newer (scripts with a shebang)"
  ! has node >/dev/null || at_least 18 "$(node --version | sed 's/v\([0-9]*\).*/\1/')" ||
    echo "Node 18 or newer"
  ! has java >/dev/null || at_least 17 "$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')" ||
    echo "Java 17 or newer (Kafka 4)"
}
at_least() { [ "${2:-0}" -ge "$1" ]; }

install_packages() {
  local packages=$1 root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "run this once as root, then again as yourself:
  apt-get install --no-install-recommends $packages"
    root=(sudo)
    sudo -v # asks for the password now, where it can be seen
  fi
  echo "  system packages: $packages"
  shown "read the package lists" "${root[@]}" apt-get update
  # shellcheck disable=SC2086 # one word a package is meant
  shown "install the system packages" "${root[@]}" bash deploy/local/install_quietly.sh $packages
}
