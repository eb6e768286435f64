"""The profiles of the local stack, and every port of each. A profile shifts the whole table."""

from dataclasses import dataclass

BASE_PORTS = {
    "edge": 8700,
    "gateway": 8080,
    "gateway-internal": 9180,
    "gateway-console": 8081,
    "redis-standby": 7051,
    "redis-standby-bus": 7251,
    "redis-work": 7100,
    "kafka": 9092,
    "kafka-controller": 9095,
    "postgres": 5433,
    "control-plane": 8000,
    "stock-agent": 9201,
    "relay": 9202,
    "order-consumer": 9203,
    "inventory-consumer": 9204,
    "queue-controller": 9205,
    "risk-scorer": 9206,
    "order-courier": 9207,
    "compensator": 9208,
    "webhook-consumer": 9211,
    "celery-worker": 9212,
    "celery-webhooks": 9213,
    "celery-beat": 9214,
    "prometheus": 9090,
    "alertmanager": 9093,
}
# The nodes of the stock Redis count up from these. The bus port is explicit: Redis would take
# port + 10000, the stock port of profile `test`.
FIRST_STOCK_PORT = 7001
FIRST_STOCK_BUS_PORT = 7201

# Of no process: where profile `test` sends its traces, and a test may listen (tests/e2e/otlp.py).
TRACES_OF_TESTS = 14_318

ONE_NODE = ("redis-stock",)
SIX_NODES = tuple(f"redis-stock-{number}" for number in range(1, 7))
# The standby stock Redis: a cluster of its own, of one node, in every profile.
STANDBY = "redis-standby"


@dataclass(frozen=True)
class Profile:
    """A whole stack beside the others. `is_test` is what its processes are told they run in."""

    offset: int
    is_test: bool = False
    stock_nodes: tuple[str, ...] = ONE_NODE
    # Whether Prometheus and Alertmanager run beside it.
    is_watched: bool = True
    # Whether clients reach PROXIED through the fault proxy (tests/drill/wires/proxy.py).
    is_proxied: bool = False

    @property
    def shards_per_item(self) -> int:
        """One for each master of the stock Redis; more would bring nothing (DESIGN §5)."""
        return 1 if len(self.stock_nodes) == 1 else len(self.stock_nodes) // 2


# In a profile that is proxied these listen further on, and the proxy stands where they would. Only
# their clients' port: what the stock nodes say to each other on their bus goes straight.
BEHIND = {"postgres": 5434, "kafka": 9097}
FIRST_STOCK_PORT_BEHIND = 7301
PROXY = "fault-proxy"
PROXY_PORT = 9099

# `stacktest` and `clustertest` are what tests/stack starts and kills, `drill` and `faults` are what
# tests/drill does that to; all beside what is running.
PROFILES = {
    "dev": Profile(0),
    "test": Profile(10_000, is_test=True),
    "cluster": Profile(5_000, stock_nodes=SIX_NODES),
    # Of tests/zones, in networks of its own.
    "zones": Profile(18_500, is_test=True, stock_nodes=SIX_NODES, is_watched=False),
    "stacktest": Profile(20_000, is_test=True, is_watched=False),
    "clustertest": Profile(23_000, is_test=True, stock_nodes=SIX_NODES, is_watched=False),
    "drill": Profile(14_000, is_test=True, stock_nodes=SIX_NODES, is_watched=False),
    "faults": Profile(
        11_000, is_test=True, stock_nodes=SIX_NODES, is_watched=False, is_proxied=True
    ),
}

# Linux hands out ports from 32768 upwards to outgoing connections; a server there may lose its own.
FIRST_EPHEMERAL_PORT = 32_768


def ports_of(profile: str) -> dict[str, int]:
    """Every port of a profile by its name; a stock node's are `<node>` and `<node>-bus`."""
    chosen = PROFILES[profile]
    table = dict(BASE_PORTS)
    for number, node in enumerate(chosen.stock_nodes):
        table |= {node: FIRST_STOCK_PORT + number, f"{node}-bus": FIRST_STOCK_BUS_PORT + number}
    if chosen.is_proxied:
        table |= {behind(name): port for name, port in BEHIND.items()} | {PROXY: PROXY_PORT}
        for number, node in enumerate(chosen.stock_nodes):
            table[behind(node)] = FIRST_STOCK_PORT_BEHIND + number
    return {name: port + chosen.offset for name, port in table.items()}


def behind(name: str) -> str:
    """What the port of a proxied server is called, `name` being that of its clients."""
    return f"{name}-behind"


_ALL = [port for profile in PROFILES for port in ports_of(profile).values()]
assert max(_ALL) < FIRST_EPHEMERAL_PORT
assert len(set(_ALL)) == len(_ALL), "two processes of two profiles share a port"
