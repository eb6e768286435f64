#!/bin/sh
# The entry point of every image: secrets from files, then the process itself.
# A file named SLUICE_… below /run/secrets becomes the variable of that name, so that no secret stands in
# `docker inspect`, in a manifest or in a shell's history. A variable that is set already wins over its file:
# said aloud, because the two may differ.
set -eu

for file in "${SLUICE_SECRETS_DIR:-/run/secrets}"/SLUICE_*; do
  [ -f "$file" ] || continue
  name=${file##*/}
  case $name in *[!A-Z0-9_]*)
    echo "start: $file is no name of a variable" >&2
    exit 2
    ;;
  esac
  if [ -n "$(printenv "$name" || true)" ]; then
    echo "start: $name is set, its file is not read" >&2
    continue
  fi
  [ -r "$file" ] || {
    echo "start: $file cannot be read by user $(id -u)" >&2
    exit 2
  }
  # Of a trailing newline, which editors add, $(…) takes off what would end up in a password.
  value=$(cat "$file")
  export "$name=$value"
done

# Where prometheus_client's forks meet; it does not make the folder itself.
[ -z "${PROMETHEUS_MULTIPROC_DIR:-}" ] || mkdir -p "$PROMETHEUS_MULTIPROC_DIR"

exec "$@"
