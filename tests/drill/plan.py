"""The plan of a soak: which faults, when and for how long. From the seed alone, and pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from deploy.local.ports import SIX_NODES
from tests.drill.wires.faults import BOTH, DOWN, UP, WireFault

ROUND_S = 50.0
# Before the first fault of a sale every shard sells, behind the last one it shows that it does.
CALM_S = 1.5
# Faults of a sale begin on average so far apart, and last longer than that.
APART_S = 2.2
# A process that was killed is let be for so long: killed while it starts proves nothing new.
REST_S = 3.0
GATEWAY = "nginx: worker"
WORKERS = r"-m (workers\.|celery)"

# What may happen to a process, and for how long at most.
KILL, FREEZE, DOWN_FOR = "kill", "freeze", "down"
_EVERYBODY = (
    *("relay", "order-consumer", "inventory-consumer", "order-courier", "compensator"),
    *("stock-agent", "queue-controller", "control-plane", "celery-worker", "celery-beat"),
)
_PROCESSES: tuple[tuple[str, str, float], ...] = (
    *((KILL, name, 0.0) for name in (*_EVERYBODY, "gateway", "kafka", "postgres")),
    *((FREEZE, name, 6.0) for name in _EVERYBODY),
    *((DOWN_FOR, name, 8.0) for name in _EVERYBODY),
    *((KILL, "gateway-workers", 0.0), ("reload", "gateway", 0.0), (FREEZE, "gateway", 0.8)),
    *((FREEZE, "kafka", 5.0), (DOWN_FOR, "kafka", 5.0)),
    *((FREEZE, "postgres", 3.0), (DOWN_FOR, "postgres", 4.0)),
)
# A master that is away for longer than the node timeout (2 s) is replaced; shorter ones are not.
_NODES: tuple[tuple[str, str, float], ...] = tuple(
    (what, node, lasts) for node in SIX_NODES for what, lasts in ((KILL, 0.0), (FREEZE, 1.0))
)
_ACTS: tuple[tuple[str, str, float], ...] = (
    *(("rearm-fast", f"shard-{n}", 0.0) for n in range(3)),
    *(("rearm-full", f"shard-{n}", 0.0) for n in range(3)),
    ("top-up", "pool", 0.0),
)
WIRE = "wire"
# Of ten faults so many are of each kind.
_KINDS = ("process",) * 4 + ("node",) + (WIRE,) * 4 + ("act",)


@dataclass(frozen=True)
class Fault:
    """From `at_s` after the sale's opening for `lasts_s`; 0: it is done at once."""

    at_s: float
    lasts_s: float
    what: str
    target: str
    wire: WireFault | None = None

    def told(self) -> str:
        """In words."""
        if self.wire is None:
            return f"{self.what} {self.target}"
        said = []
        if self.wire.cut:
            said.append("cut")
        if self.wire.hole:
            said.append("hole")
        if self.wire.latency_ms:
            said.append(f"{self.wire.latency_ms:g}+{self.wire.jitter_ms:g} ms")
        if self.wire.bytes_per_s:
            said.append(f"{self.wire.bytes_per_s // 1000} kB/s")
        if self.wire.slice_bytes:
            said.append(f"slices of {self.wire.slice_bytes} B")
        whose = "gateway" if self.wire.client == GATEWAY else "workers"
        way = {BOTH: "–", UP: "→", DOWN: "←"}[self.wire.way]
        return f"{whose} {way} {self.target}: {', '.join(said)}"


def rounds(seed: int, seconds: float) -> list[tuple[Fault, ...]]:
    """The faults of each sale, one sale after another, `seconds` in all; at least one sale."""
    count = max(1, round(seconds / ROUND_S))
    # Each sale by itself, so that the same seed with a longer time begins alike.
    return [tuple(_round(Random(f"{seed}-{number}"))) for number in range(count)]


def _round(chance: Random) -> Iterable[Fault]:
    free: dict[str, float] = {}  # target → when it may be chosen again
    at = CALM_S + chance.expovariate(1 / APART_S)
    while at < ROUND_S - CALM_S:
        fault = _fault(chance, at, ROUND_S - CALM_S - at)
        at += chance.expovariate(1 / APART_S)
        # One fault of a target at a time: whoever is frozen cannot be killed politely.
        key = _key(fault)
        if free.get(key, 0.0) <= fault.at_s:
            free[key] = fault.at_s + fault.lasts_s + REST_S
            yield fault


def _key(fault: Fault) -> str:
    # One pair at a time: a master without a copy takes nothing, which is another drill.
    if fault.target in SIX_NODES and fault.wire is None:
        return "nodes"
    return "gateway" if fault.target.startswith("gateway") else f"{fault.wire} {fault.target}"


def _fault(chance: Random, at: float, left_s: float) -> Fault:
    kind = chance.choice(_KINDS)
    if kind == WIRE:
        return _wire(chance, round(at, 2), left_s)
    table: Sequence[tuple[str, str, float]] = {
        "process": _PROCESSES,
        "node": _NODES,
        "act": _ACTS,
    }[kind]
    what, target, longest = chance.choice(table)
    lasts = chance.uniform(longest / 4, longest) if longest else 0.0
    return Fault(round(at, 2), round(min(lasts, left_s), 2), what, target)


def _wire(chance: Random, at: float, left_s: float) -> Fault:
    link = chance.choice(("postgres", "kafka", *SIX_NODES))
    client = WORKERS if link in ("postgres", "kafka") or chance.random() < 0.4 else GATEWAY
    way = chance.choice((BOTH, UP, DOWN))
    kind = chance.choice(("late", "thin", "sliced", "cut", "hole"))
    longest = {"cut": 3.0, "hole": 4.0}.get(kind, 8.0)
    late_ms = chance.randrange(20, 300, 20)
    wire = {
        "late": WireFault(latency_ms=late_ms, jitter_ms=late_ms / 2, way=way, client=client),
        "thin": WireFault(
            bytes_per_s=chance.randrange(20_000, 200_000, 10_000), way=way, client=client
        ),
        "sliced": WireFault(slice_bytes=chance.choice((16, 64, 256, 1024)), way=way, client=client),
        "cut": WireFault(cut=True, way=way, client=client),
        "hole": WireFault(hole=True, way=way, client=client),
    }[kind]
    lasts = chance.uniform(longest / 4, longest)
    return Fault(at, round(min(lasts, left_s), 2), WIRE, link, wire)
