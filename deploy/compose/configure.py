"""`python -m deploy.compose.configure`: write what the servers of compose.yaml are started with.

Runs once before them, as root of its own container, into a volume they all read: the redis.conf of
every node, owned by the user of the Redis image, and Alertmanager's configuration.
"""

import os
import sys
from pathlib import Path

from deploy.images.stock_redis import stock, work
from deploy.local.servers.monitoring import alerting

INTO = Path("/conf")
SECRETS = Path("/run/secrets")
# Of the official images of Redis and of Alertmanager.
REDIS_USER = 999
NOBODY = 65_534
FIRST_ADDRESS = 11
WORK_PORT, STOCK_PORT = 7100, 7001
STANDBY = "redis-standby"


def configurations(network: str, nodes: int, memory: str, secrets: Path) -> dict[str, str]:
    """File name → text; `network` is the first three numbers of every address, `172.30.0`."""
    found = {
        f"redis-stock-{number}.conf": stock(
            STOCK_PORT, f"{network}.{FIRST_ADDRESS + number - 1}", memory, nodes > 1, secrets
        )
        for number in range(1, nodes + 1)
    }
    # Behind the six that there may be.
    found[f"{STANDBY}.conf"] = stock(
        STOCK_PORT, f"{network}.{FIRST_ADDRESS + 6}", memory, replicas=False, secrets=secrets
    )
    found["redis-work.conf"] = work(WORK_PORT, secrets)
    return found


def main() -> int:
    """Write all of it; KeyError names a variable that compose.yaml does not give."""
    nodes = int(os.environ["STOCK_NODES"])
    memory = os.environ["STOCK_MEMORY"]
    for name, text in configurations(os.environ["NETWORK"], nodes, memory, SECRETS).items():
        _write(INTO / name, text, REDIS_USER)
    text = alerting(os.environ["SLUICE_CONTROL_PLANE_URL"], os.environ["SLUICE_ALERT_WEBHOOK_URL"])
    _write(INTO / "alertmanager.yml", text, NOBODY)
    token = (SECRETS / "SLUICE_MONITORING_TOKEN").read_text()
    _write(INTO / "monitoring-token", token, NOBODY)
    return 0


def _write(path: Path, text: str, owner: int) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
    os.chown(path, owner, owner)


if __name__ == "__main__":
    sys.exit(main())
