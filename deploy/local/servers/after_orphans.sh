#!/bin/sh
# after_orphans.sh PIDFILE COMMAND…: end what a killed master left behind, then become COMMAND.
# nginx' workers live on when their master is killed and would go on answering on its ports. They
# are in the process group it led, and in the working folder they had from it, which is ours.
# The group alone would not do: a pid file outlives a reboot, and then the number may be anybody's.
master=$(cat "$1" 2>/dev/null)
shift
if [ -n "$master" ] && [ ! -e "/proc/$master" ]; then
  here=$(pwd -P)
  for process in /proc/[0-9]*; do
    { read -r stat <"$process/stat"; } 2>/dev/null || continue # gone meanwhile
    # Behind the name, which is in brackets and may hold anything: state, parent, group.
    read -r _ _ group _ <<EOT
${stat##*) }
EOT
    [ "$group" = "$master" ] || continue
    [ "$(readlink "$process/cwd")" = "$here" ] || continue
    kill -s KILL "${process#/proc/}" 2>/dev/null
  done
fi
exec "$@"
