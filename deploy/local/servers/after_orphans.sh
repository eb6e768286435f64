#!/bin/sh
# after_orphans.sh PIDFILE COMMAND…: end what a killed master left behind, then become COMMAND.
# nginx' workers live on when their master is killed and would go on answering on its ports. Each
# program leads a process group; its number belongs to nobody else while a member lives, so when
# the leader is gone the members are the orphans.
old=$(cat "$1" 2>/dev/null)
shift
[ -z "$old" ] || [ -e "/proc/$old" ] || kill -s KILL -- "-$old" 2>/dev/null
exec "$@"
