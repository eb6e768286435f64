#!/bin/bash
# `make images`: build the three images, put them in the place of the same processes of profile `test`, and run a
# sale through them. Needs root; installs buildah and debootstrap. BUILT=1 takes the images that are there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
[ "$(id -u)" -eq 0 ] || { echo "images: must be root: an image's files are other users'" >&2; exit 1; }
missing=()
for tool in buildah debootstrap; do
  command -v "$tool" >/dev/null || missing+=("$tool")
done
if [ ${#missing[@]} -gt 0 ]; then
  apt-get update
  bash deploy/local/install_quietly.sh "${missing[@]}"
fi
[ "${BUILT:-}" = 1 ] || deploy/images/build.sh
PYTHON=.venv/bin/python
stop() { "$PYTHON" -m deploy.local down --profile test >/dev/null; }
trap stop EXIT
"$PYTHON" -m deploy.local up --profile test
"$PYTHON" -m deploy.local down --profile test --only "$("$PYTHON" -m deploy.images.trying --names)"
"$PYTHON" -m deploy.images.trying "$@"
