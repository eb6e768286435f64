"""`python -m deploy.images.stock_redis --into FILE --port 7001 --announce 172.30.0.11`.

Writes the redis.conf of one stock node for a container: the very settings and users of the local
stack (deploy/local/servers/redis.py), with an address that the others reach. The passwords are read
from files `stock_<user>_password` in the secrets' folder and stand in the file as SHA-256.
"""

import argparse
import ipaddress
import os
import sys
from pathlib import Path

from deploy.local.servers.redis import (
    STOCK_USERS,
    replication_configuration,
    stock_configuration,
    work_configuration,
)
from deploy.local.site import write_private

BUS_OFFSET = 200
# Later lines win over earlier ones. There is no other protection than the users' passwords and the
# network around it: `default` is off, see stock_configuration.
_CONTAINER = """\
# ── in a container
bind * -::*
protected-mode no
cluster-announce-ip {announce}
maxmemory {memory}
"""
_WORK = """\
bind * -::*
protected-mode no
"""


def stock(port: int, announce: str, memory: str, replicas: bool, secrets: Path) -> str:
    """One stock node's; `announce` is the address the others and all clients use."""
    address = str(ipaddress.ip_address(announce))
    passwords = {user: _secret(secrets, f"stock_{user}_password") for user in STOCK_USERS}
    text = stock_configuration(Path("/data"), port, port + BUS_OFFSET, passwords)
    if replicas:
        password = _secret(secrets, "stock_replica_password")
        text += replication_configuration(port, port + BUS_OFFSET, password)
    return text + _CONTAINER.format(announce=address, memory=memory)


def work(port: int, secrets: Path) -> str:
    """The work Redis'."""
    return work_configuration(Path("/data"), port, _secret(secrets, "work_redis_password")) + _WORK


def _secret(folder: Path, name: str) -> str:
    value = (folder / name).read_text().strip()
    if len(value) < 16:
        raise SystemExit(f"stock_redis: {folder / name} has fewer than 16 characters")
    return value


def main() -> int:
    """Write one file; its folder must be there and belong to us."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.images.stock_redis", description=__doc__
    )
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--port", type=int, default=7001)
    parser.add_argument("--announce", help="an IP address; without it, the work Redis' is written")
    parser.add_argument("--memory", default="1gb", help="maxmemory: half of what the container has")
    parser.add_argument("--replicas", action="store_true", help="the cluster has replicas")
    chosen = parser.parse_args()
    secrets = Path(os.environ.get("SLUICE_SECRETS_DIR", "/run/secrets"))
    if chosen.announce:
        text = stock(chosen.port, chosen.announce, chosen.memory, chosen.replicas, secrets)
    else:
        text = work(chosen.port, secrets)
    write_private(chosen.into, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
