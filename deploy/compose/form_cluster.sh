#!/bin/sh
# Make one cluster of the stock nodes, once; nodes.conf on their disks remembers it. Idempotent, and carries
# on what an interrupted run began only where redis-cli can: else it says so.
#   form_cluster.sh ADDRESS:PORT…       one: it takes all slots; six: the first three are masters
# REDISCLI_AUTH or the file below: the operator's password.
set -eu
[ $# -eq 1 ] || [ $# -eq 6 ] || {
  echo "form_cluster: one address or six, not $#" >&2
  exit 2
}
REDISCLI_AUTH=${REDISCLI_AUTH:-$(cat /run/secrets/stock_operator_password)}
export REDISCLI_AUTH
ask() { # ask ADDRESS:PORT COMMAND…
  address=$1
  shift
  redis-cli -h "${address%:*}" -p "${address#*:}" --user operator "$@"
}
slots_served() { ask "$1" cluster info | tr -d '\r' | grep -qx 'cluster_state:ok'; }
# The first node has heard of every replica, too.
whole() { slots_served "$1" && [ "$(ask "$1" cluster nodes | grep -c slave)" -ge $(($# / 2)) ]; }

for node in "$@"; do
  tries=0
  until [ "$(ask "$node" ping 2>/dev/null)" = PONG ]; do
    tries=$((tries + 1))
    [ $tries -lt 60 ] || {
      echo "form_cluster: $node does not answer" >&2
      exit 1
    }
    sleep 0.5
  done
done

if ! slots_served "$1"; then
  if [ $# -eq 1 ]; then
    ask "$1" cluster addslotsrange 0 16383
  else
    redis-cli --user operator --cluster create "$@" --cluster-replicas 1 --cluster-yes
  fi
fi
tries=0
until whole "$@"; do
  tries=$((tries + 1))
  [ $tries -lt 60 ] || {
    echo "form_cluster: not every slot is served or copied: $(ask "$1" cluster info | head -n 3 | tr '\r\n' '  ')" >&2
    exit 1
  }
  sleep 0.5
done
echo "form_cluster: whole"
