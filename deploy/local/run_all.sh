#!/usr/bin/env bash
# run_all.sh test|check: every runner runs, whatever the ones before said; the exit code is 1 when one
# of them failed. pytest comes last, so that its closing line is the last of the output. A runner that
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

run_tests() {
  stop_stack # a run that was interrupted may have left an older one
  trap stop_stack EXIT
  printf '\n── start the test stack\n'
  "$BIN/python" -m deploy.local up --profile test || return 1
  limited 300 busted busted
  limited 600 vitest npm --prefix edge-workers test
  limited 3600 pytest "$BIN/pytest"
  again_if_few
}

# A test that fails on a busy machine is not the same as one that fails: up to five get a second try, by
# themselves. What passes only then is named at the end, since it may also be a rare fault of ours.
readonly SECOND_TRIES=5
LASTFAILED=var/cache/pytest/v/cache/lastfailed

again_if_few() {
  [ "${failed[*]: -1}" = pytest ] || return 0
  local names
  names=$("$BIN/python" -c 'import json, sys; print("\n".join(json.load(open(sys.argv[1]))))' "$LASTFAILED")
  [ -n "$names" ] && [ "$(wc -l <<<"$names")" -le "$SECOND_TRIES" ] || return 0
  unset 'failed[-1]'
  limited 900 "pytest, what failed once more" "$BIN/pytest" --last-failed
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
