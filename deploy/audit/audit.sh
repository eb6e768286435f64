#!/bin/bash
# `make audit`: what we are made of (var/audit/), which licences are not ours to use, and which versions have known
# holes. The last is asked of PyPI and of the npm registry: who does not answer is named, and fails the audit,
# because "nothing was found" and "nobody was asked" must never look alike.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit
PIP_AUDIT=pip-audit==2.10.1
TOOLS=$PWD/var/tools/pip-audit
OUT=$PWD/var/audit
mkdir -p "$OUT"
failed=()

known_holes_python() {
  [ -x "$TOOLS/bin/pip-audit" ] || { python3 -m venv "$TOOLS" && "$TOOLS/bin/pip" install --quiet "$PIP_AUDIT"; } || return
  # Pinned and hashed, so that nothing is resolved and nothing installed.
  "$TOOLS/bin/pip-audit" --disable-pip --require-hashes --progress-spinner off \
    --format json --output "$OUT/python.json" -r requirements.txt
}

known_holes_node() {
  npm --prefix edge-workers audit --audit-level high --json >"$OUT/node.json" && return
  if grep -q '"vulnerabilities"' "$OUT/node.json"; then
    echo "holes of level high or worse, see $OUT/node.json" >&2
  else
    echo "the registry did not answer: $(grep -m 1 '"message"' "$OUT/node.json")" >&2
  fi
  return 1
}

for step in licences known_holes_python known_holes_node; do
  printf '\n── %s\n' "$step"
  case $step in
    licences) .venv/bin/python -m deploy.audit.bill --into "$OUT" || failed+=("$step") ;;
    *) "$step" || failed+=("$step") ;;
  esac
done
if [ ${#failed[@]} -gt 0 ]; then
  printf '\nfailed: %s\n' "$(IFS=,; echo "${failed[*]}")" >&2
  exit 1
fi
