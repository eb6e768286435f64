#!/usr/bin/env bash
# install_quietly.sh PACKAGE…: apt-get install, as root, without letting the packages start servers.
# Debian starts nginx, Redis and PostgreSQL when they are installed, enables them for the next
# boot and creates a PostgreSQL cluster. Both switches below are Debian's own, exist only while this
# runs, and are left alone where the administrator has set them already.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

POLICY=/usr/sbin/policy-rc.d                                  # 101: no service action allowed
NO_CLUSTER=/etc/postgresql-common/createcluster.d/sluice-setup.conf
made=()
trap '[ ${#made[@]} -eq 0 ] || rm -f "${made[@]}"' EXIT

if [ ! -e "$POLICY" ]; then
  made+=("$POLICY")
  printf '#!/bin/sh\nexit 101\n' >"$POLICY"
  chmod 755 "$POLICY"
fi
mkdir -p "${NO_CLUSTER%/*}"
made+=("$NO_CLUSTER")
echo 'create_main_cluster = false' >"$NO_CLUSTER"

# Only services that this installation brings are kept from the next boot.
fresh=()
for service in nginx redis-server postgresql prometheus prometheus-alertmanager; do
  case " $* " in *" $service "*) fresh+=("$service") ;; esac
done

apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "$@"

# Debian's own switch for it; it works with and without systemd.
for service in "${fresh[@]}"; do
  update-rc.d "$service" disable
done
