#!/usr/bin/env bash
# `make setup`: install what is missing and nothing else. Idempotent; the second run only looks.
# Bash, because nothing else can be relied on before it has run. What each step installed is
# stamped in var/setup/ with the hash of what it was installed from.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
STAMPS=var/setup
mkdir -p "$STAMPS"

fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

# shown LABEL COMMAND…: one line, with what the command is doing right now on a terminal and a dot
# every five seconds elsewhere; everything it said is shown when it fails.
shown() {
  local label=$1 log began=$SECONDS pid
  shift
  log=$STAMPS/${label//[^A-Za-z0-9]/-}.log
  printf '  %s ' "$label"
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.2
    if [ -t 1 ]; then
      printf '\r\033[K  %s … %s' "$label" "$(tail -n 1 "$log" | tr -d '\r' | cut -c 1-60)"
    elif (((SECONDS - began) / 5 > ${dots:=0})); then
      dots=$((dots + 1))
      printf '.'
    fi
  done
  dots=0
  if ! wait "$pid"; then
    printf '\n'
    sed -n '1,30p' "$log" >&2
    [ "$(wc -l <"$log")" -le 30 ] || { echo '…' && sed '1,30d' "$log" | tail -n 40; } >&2
    fail "\"$label\" failed; what it said stands above, all of it in $log"
  fi
  [ ! -t 1 ] || printf '\r\033[K  %s' "$label"
  printf ' (%d s)\n' $((SECONDS - began))
}

# stamped NAME FILE…: whether NAME was installed from exactly these files, in this folder.
stamp_of() { printf '%s/%s.%s' "$STAMPS" "$1" "$({ pwd; cat "${@:2}"; } | sha256sum | cut -c 1-16)"; }
stamped() { [ -e "$(stamp_of "$@")" ]; }
stamp() {
  rm -f "$STAMPS/$1".????????????????
  touch "$(stamp_of "$@")"
}

# shellcheck source=deploy/local/system_packages.sh
source deploy/local/system_packages.sh

python_environment() {
  local sources=(requirements.txt requirements-dev.txt)
  if [ -x .venv/bin/python ] && .venv/bin/python -c '' 2>/dev/null && stamped python "${sources[@]}"; then
    return
  fi
  .venv/bin/python -c '' 2>/dev/null || shown "create .venv" "$(newest_python)" -m venv --clear .venv
  shown "install Python packages into .venv" .venv/bin/python -m pip install \
    --disable-pip-version-check --require-hashes -r requirements.txt -r requirements-dev.txt
  stamp python "${sources[@]}"
}

node_packages() {
  [ -e edge-workers/package-lock.json ] || return 0
  if [ -d edge-workers/node_modules ] && stamped node edge-workers/package-lock.json; then
    return
  fi
  shown "install Node packages into edge-workers/node_modules" \
    npm ci --prefix edge-workers --no-audit --no-fund
  # A wrong hash of an optional package is no error for npm; workerd's binary is one.
  compgen -G "edge-workers/node_modules/@cloudflare/workerd-*/bin/workerd" >/dev/null ||
    fail "npm installed no workerd binary: none for this platform, or its hash is not the lock's"
  stamp node edge-workers/package-lock.json
}

kafka_jars() {
  if [ -d var/kafka/libs ] && stamped kafka deploy/kafka/pom.xml; then
    return
  fi
  rm -rf var/kafka/libs
  shown "resolve Apache Kafka into var/kafka/libs" \
    mvn --batch-mode --file deploy/kafka/pom.xml dependency:copy-dependencies \
    "-DoutputDirectory=$PWD/var/kafka/libs"
  stamp kafka deploy/kafka/pom.xml
}

system_packages
python_environment
node_packages
kafka_jars
