#!/usr/bin/env bash
# `make lock`: pin requirements*.in anew. pip-tools lives in an environment of its own, so that what
# pins the requirements is none of them. No index addresses are written into the files.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
TOOLS=var/lock-venv

.venv/bin/python -m venv --clear "$TOOLS"
"$TOOLS/bin/python" -m pip install --quiet --disable-pip-version-check pip-tools
for name in requirements requirements-dev; do
  echo "  $name.in → $name.txt"
  "$TOOLS/bin/python" -m piptools compile --quiet --upgrade --generate-hashes --allow-unsafe \
    --strip-extras --no-emit-index-url --no-emit-find-links --no-header \
    --output-file "$name.txt" "$name.in"
done
