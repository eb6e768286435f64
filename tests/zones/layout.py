"""Which process is in which zone, and how each is told where the others are.

Zones a and b sell, c has what there is one of. No zone holds a stock master and its replica.
"""

import json
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from deploy.local import environment
from deploy.local.ports import STANDBY
from deploy.local.servers import control_plane, gateway, kafka, workers
from deploy.local.site import ROOT, SECRET_NAMES, Site, write_private
from tests.zones.network import INSIDE, OUTSIDE, ZONES, inside, outside

PROFILE = "zones"
STATE = ROOT / "var" / PROFILE
# In each of these zones one: whoever means its own asks the zone's site, and gets its address.
EACH = ("gateway", "gateway-internal", "gateway-console", "kafka", "kafka-controller")
STOCK = {
    "redis-stock-1": "a",
    "redis-stock-2": "b",
    "redis-stock-3": "c",
    # The replicas of 1, 2 and 3.
    "redis-stock-4": "b",
    "redis-stock-5": "c",
    "redis-stock-6": "a",
}
SELLING = ("a", "b")
# The one zone of everything else.
CENTRE = "c"
WORKERS = (
    *(control_plane.CELERY_WORKER, control_plane.CELERY_BEAT),
    *(workers.STOCK_AGENT, workers.RELAY, workers.ORDER_CONSUMER, workers.INVENTORY_CONSUMER),
    *(workers.ORDER_COURIER, workers.QUEUE_CONTROLLER),
)
MIN_INSYNC = 2


@dataclass(frozen=True)
class ZoneSite(Site):
    """The stack as seen from one zone: its own folder, the secrets of all."""

    zone: str = CENTRE

    @property
    def state(self) -> Path:
        """`var/zones/<zone>`."""
        return STATE / self.zone

    def host(self, name: str) -> str:
        """The zone's address of a process; of what every zone has, its own."""
        if name in EACH:
            return inside(self.zone)
        return inside(STOCK.get(name.removesuffix("-bus"), CENTRE))

    @cached_property
    def secrets(self) -> dict[str, str]:
        """One file for all zones."""
        path = STATE / "secrets.json"
        if not path.exists():
            made = {name: secrets.token_urlsafe(32) for name in SECRET_NAMES}
            write_private(path, json.dumps(made) + "\n")
        known: dict[str, str] = json.loads(path.read_text())
        return known


def site(zone: str = CENTRE) -> ZoneSite:
    """The stack as seen from a zone."""
    return ZoneSite(PROFILE, zone)


SITES = {zone: site(zone) for zone in ZONES}


def brokers() -> str:
    """All three, as clients are told."""
    return ",".join(one.address("kafka") for one in SITES.values())


def share(zone: str, process: str) -> dict[str, str]:
    """What one process is told: as the local stack tells it, with several of some."""
    told = environment.of(SITES[zone], process)
    if "SLUICE_KAFKA_BROKERS" in told:
        told["SLUICE_KAFKA_BROKERS"] = brokers()
    if "SLUICE_METRICS_PORT" in told:
        told["SLUICE_METRICS_ADDRESS"] = SITES[zone].host(process)
    if process == "gateway":
        told["SLUICE_INSTANCE"] = f"gateway-{zone}"
    return told


def gateways() -> dict[str, str]:
    """Zone → where its shoppers click."""
    return {zone: f"http://{outside(zone)}:{SITES[zone].port('gateway')}" for zone in SELLING}


def prepare_gateway(zone: str) -> None:
    """As the local stack renders it, for everybody: shoppers come from outside, scrapers within."""
    own = SITES[zone]
    home = own.folder("gateway")
    home.chmod(0o700)
    names = share(zone, "gateway") | {
        "SLUICE_GATEWAY_ADDRESS": "0.0.0.0",
        "SLUICE_GATEWAY_PORT": str(own.port("gateway")),
        "SLUICE_GATEWAY_INTERNAL_PORT": str(own.port("gateway-internal")),
        "SLUICE_TRUSTED_PROXIES": f"{INSIDE}.0/24,{OUTSIDE}.0/24",
    }
    gateway.render_tree(home, names)


def prepare_broker(zone: str, cluster_id: str) -> None:
    """A broker and controller of three; what differs from one alone stands behind it, and wins."""
    own = SITES[zone]
    folder = kafka.write_configuration(own)
    here, port = own.host("kafka"), own.port("kafka-controller")
    voters = ",".join(
        f"{number}@{one.host('kafka')}:{port}" for number, one in enumerate(SITES.values(), 1)
    )
    more = {
        "node.id": ZONES.index(zone) + 1,
        "controller.quorum.voters": voters,
        "listeners": f"CLIENT://{own.address('kafka')},CONTROLLER://{here}:{port}",
        "advertised.listeners": f"CLIENT://{own.address('kafka')}",
        "default.replication.factor": len(ZONES),
        "min.insync.replicas": MIN_INSYNC,
        "offsets.topic.replication.factor": len(ZONES),
        "transaction.state.log.replication.factor": len(ZONES),
        "transaction.state.log.min.isr": MIN_INSYNC,
    }
    with (folder / "server.properties").open("a") as file:
        file.writelines(f"{name}={value}\n" for name, value in more.items())
    if not (folder / "data" / "meta.properties").exists():
        kafka.format_storage(folder, cluster_id)


def listen_for_others(zone: str, name: str) -> None:
    """A server's configuration as the local stack wrote it, opened to the other zones."""
    own = SITES[zone]
    if name.startswith("redis-"):
        here = own.host(name)
        lines = [f"bind {here}"]
        if name in STOCK or name == STANDBY:
            lines.append(f"cluster-announce-ip {here}")
        _append(own.folder(name) / "redis.conf", *lines, "protected-mode no")
    if name == "postgres":
        home = (own.state / "postgres").resolve()
        _append(home / "postgresql.conf", "listen_addresses = '*'")
        _append(home / "pg_hba.conf", f"host all all {INSIDE}.0/24 scram-sha-256")


def _append(path: Path, *lines: str) -> None:
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)
