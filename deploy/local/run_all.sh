#!/usr/bin/env bash
# run_all.sh test|check: every runner runs, whatever the ones before said; the exit code is 1 when one
# of them failed. pytest comes last, so that its closing lines are the last of the output. A runner that
# hangs is ended: what comes after it has something to say too.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit
BIN=$PWD/.venv/bin
failed=()

runner() { # runner NAME COMMAND…
  local name=$1
  shift
  printf '\n── %s\n' "$name"
  "$@" || failed+=("$name")
}

# limited SECONDS NAME COMMAND…: a runner that is interrupted after that time, so that it can still
# say where it was, and killed 30 s later.
limited() {
  local seconds=$1 name=$2 code=0 front=()
  shift 2
  # In a group of its own all of it can be ended, but then Ctrl-C does not reach it.
  [ ! -t 0 ] || front=(--foreground)
  printf '\n── %s\n' "$name"
  timeout "${front[@]}" --signal INT --kill-after 30 "$seconds" "$@" || code=$?
  case $code in
    0) ;;
    124 | 137) failed+=("$name (ended after $seconds s)") ;;
    *) failed+=("$name") ;;
  esac
}

stop_stack() { "$BIN/python" -m deploy.local down --profile test >/dev/null; }

# Two lanes side by side: what works in Django's test databases; and what works in the whole stack, then
# what has servers of its own. Most of either is waiting, for a group to meet or for a sale to start.
readonly IN_DATABASES=(control_plane workers tests/deploy tests/race)
readonly IN_THE_STACK=(tests/e2e)
readonly LANE_LOG=var/test/in-databases.log
# Enough for a machine of half the speed; with all the rest less than the 90 minutes that CI has.
readonly LANE_S=4400

cache_of() { echo "var/cache/pytest-$1"; }

# lane NAME ARGUMENT…: pytest, which remembers what failed under this name; it has what is left of the
# lane's time. A job in the background would ignore the INT that asks it to say where it was.
lane() {
  local name=$1 seconds=$((lanes_end - SECONDS))
  shift
  limited $((seconds > 60 ? seconds : 60)) "pytest $name" env --default-signal=INT \
    "$BIN/pytest" -o cache_dir="$(cache_of "$name")" "$@"
}

# The second lane, whose failures the shell it runs in cannot hand on but by its exit code: 1 for tests
# that failed, 2 when it was ended.
in_databases() {
  lane in-databases "${IN_DATABASES[@]}"
  case "${failed[*]}" in
    "") ;;
    *"(ended after"*) return 2 ;;
    *) return 1 ;;
  esac
}

in_the_stack() {
  lane in-the-stack "${IN_THE_STACK[@]}"
  # Idle they take a third of a core; nothing that follows asks them.
  "$BIN/python" -m deploy.local down --profile test --only clients
}

with_own_servers() {
  limited 300 busted busted
  limited 600 vitest npm --prefix edge-workers test
  local elsewhere
  mapfile -t elsewhere < <(printf '%s\n' "${IN_DATABASES[@]}" "${IN_THE_STACK[@]}" | sed -n 's,^tests/,--ignore=&,p')
  lane with-own-servers tests "${elsewhere[@]}"
}

start_stack() { "$BIN/python" -m deploy.local up --profile test; }

beside=""
end_tests() {
  # Not the shell of that lane: its runner, which takes the tests with it.
  [ -z "$beside" ] || kill $(<"/proc/$beside/task/$beside/children")
  stop_stack
}

run_tests() {
  stop_stack # a run that was interrupted may have left an older one
  trap end_tests EXIT
  printf '\n── start the test stack\n'
  start_stack || return 1
  mkdir -p "${LANE_LOG%/*}"
  lanes_end=$((SECONDS + LANE_S))
  in_databases >"$LANE_LOG" 2>&1 &
  beside=$!
  in_the_stack
  with_own_servers
  printf '\n── beside it: pytest %s\n' "${IN_DATABASES[*]}"
  local code=0
  wait "$beside" || code=$?
  case $code in
    0) ;;
    1) failed+=("pytest in-databases") ;;
    # What it did not come to is not tried again: it was not tried at all.
    *) failed+=("pytest in-databases (ended)") ;;
  esac
  beside=""
  cat "$LANE_LOG"
  again_if_few
}

# A test that fails on a busy machine is not the same as one that fails: up to ten get a second try, by
# themselves. What passes only then is named at the end, since it may also be a rare fault of ours.
readonly SECOND_TRIES=10
readonly AGAIN_S=480

failed_of() { # failed_of LANE…: the names, one a line
  local name
  for name in "$@"; do
    "$BIN/python" -c 'import json, sys; print("\n".join(json.load(open(sys.argv[1]))))' \
      "$(cache_of "$name")/v/cache/lastfailed"
  done
}

again_if_few() {
  local again=() others=() name names
  for name in "${failed[@]}"; do
    case $name in
      "pytest in-databases" | "pytest in-the-stack" | "pytest with-own-servers") again+=("${name#pytest }") ;;
      *) others+=("$name") ;;
    esac
  done
  [ ${#again[@]} -gt 0 ] || return 0
  names=$(failed_of "${again[@]}")
  [ -n "$names" ] && [ "$(wc -l <<<"$names")" -le "$SECOND_TRIES" ] || return 0
  failed=("${others[@]}")
  lanes_end=$((SECONDS + AGAIN_S))
  for name in "${again[@]}"; do
    # The others have their servers still.
    [ "$name" != in-the-stack ] || start_stack
    lane "$name" --last-failed
  done
  printf '\nfailed at the first try, and has to be looked at:\n%s\n' "$names" >&2
}

run_checks() {
  runner ruff "$BIN/ruff" check
  runner "ruff format" "$BIN/ruff" format --check
  runner mypy "$BIN/mypy"
  runner luacheck luacheck --quiet openresty lua
  runner "edge check" npm --prefix edge-workers run --silent check
  runner tidy "$BIN/pytest" tests/tidy
}

case ${1:-} in
  test) run_tests || failed+=("test stack") ;;
  check) run_checks ;;
  *) echo "run_all.sh test|check" >&2 && exit 2 ;;
esac
if [ ${#failed[@]} -gt 0 ]; then
  printf '\nfailed: %s\n' "$(IFS=,; echo "${failed[*]}")" >&2
  exit 1
fi
