"""Which stage is the bottleneck, and by what evidence. Pure: figures in, a name out.

A stage that waits for the next one is not to blame. So an answer that is late is Redis' as long as
the exchange with it is most of the time; an order that is late belongs to the side of Kafka on
which it waited longer; and of a consumer and its PostgreSQL it is the one that works more.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tests.load.chain.stages import Figures

GENERATOR = "load generator"
# Above this the machine has nothing left, and stages slow each other down.
MACHINE_FULL = 0.95


@dataclass(frozen=True)
class Objective:
    """What a stage has promised; `of` reads it from the figures."""

    name: str
    unit: str
    most: float
    of: Callable[[Figures], float]


FRONT = (
    Objective("gateway p99", "ms", 100, lambda seen: seen.gateway_p99_ms),
    Objective("reserve p99", "ms", 250, lambda seen: seen.reserve_p99_ms),
    Objective("Redis busy", "cores", 0.90, lambda seen: seen.busy.get("redis", 0.0)),
)
BACK = (
    Objective("relay lag", "s", 1.0, lambda seen: seen.relay_lag_s),
    Objective("consumer lag", "s", 1.0, lambda seen: seen.consumer_lag_s),
    # P6 of MEASURES.md.
    Objective("click → CONFIRMED p99", "ms", 1000, lambda seen: seen.confirm_p99_ms),
    # The order consumer's one session; a second core is the other processes'.
    Objective("PostgreSQL busy", "cores", 1.5, lambda seen: seen.busy.get("postgres", 0.0)),
)
# Later than that, a latency says more of the client than of the stack.
LATE = Objective("load generator late p99", "ms", 50, lambda seen: seen.late_p99_ms)


@dataclass(frozen=True)
class Verdict:
    """`stage` is None as long as everything is kept."""

    stage: str | None
    broken: tuple[str, ...]
    evidence: tuple[str, ...]


def judge(seen: Figures) -> Verdict:
    """Name the stage that broke first, by how far each objective is behind."""
    broken = [one for one in (*FRONT, *BACK) if one.of(seen) > one.most]
    told = tuple(
        f"{one.name} {_shown(one.of(seen))} {one.unit} (objective {_shown(one.most)})"
        for one in broken
    )
    if LATE.of(seen) > LATE.most:
        late = f"{LATE.name} {_shown(seen.late_p99_ms)} ms (at most {_shown(LATE.most)})"
        return Verdict(GENERATOR, told, (late, *_machine(seen, GENERATOR)))
    if not broken:
        return Verdict(None, (), ())
    worst = max(broken, key=lambda one: one.of(seen) / one.most)
    stage, why = _front(seen) if worst in FRONT else _back(seen, worst.name)
    return Verdict(stage, told, (why, *_machine(seen, stage)))


def _front(seen: Figures) -> tuple[str, str]:
    redis, gateway = seen.busy.get("redis", 0.0), seen.busy.get("gateway", 0.0)
    slower = max(seen.reserve_p99_ms, seen.gateway_p99_ms)
    waits = seen.reserve_p99_ms > seen.gateway_p99_ms and seen.exchange_p99_ms > slower / 2
    told = (
        f"exchange with Redis p99 {_shown(seen.exchange_p99_ms)} ms of {_shown(slower)} ms; "
        f"Redis {redis:.2f} cores, gateway {gateway:.2f}"
    )
    return ("redis" if waits or redis > FRONT[2].most else "gateway"), told


def _back(seen: Figures, worst: str) -> tuple[str, str]:
    lags = (
        f"on the way to Kafka {_shown(seen.relay_lag_s)} s, "
        f"from there to the order {_shown(seen.consumer_lag_s)} s"
    )
    if worst == BACK[3].name:
        return "postgres", f"PostgreSQL {seen.busy['postgres']:.2f} cores"
    if seen.relay_lag_s > seen.consumer_lag_s:
        return _busier(seen, "relay", "kafka", lags)
    return _busier(seen, "order-consumer", "postgres", lags)


def _busier(seen: Figures, one: str, other: str, lags: str) -> tuple[str, str]:
    cores = {name: seen.busy.get(name, 0.0) for name in (one, other)}
    used = ", ".join(f"{name} {value:.2f} cores" for name, value in cores.items())
    return max((one, other), key=lambda name: cores[name]), f"{lags}; {used}"


def _machine(seen: Figures, stage: str) -> tuple[str, ...]:
    """On a full machine whoever is named may only have been the first to go short."""
    if seen.machine_busy < MACHINE_FULL:
        return ()
    eaters = sorted(seen.busy.items(), key=lambda one: -one[1])[:3]
    told = ", ".join(f"{name} {cores:.2f}" for name, cores in eaters)
    used = f"{stage} itself used {seen.busy[stage]:.2f} cores; " if stage in seen.busy else ""
    full = f"the machine was full ({seen.machine_busy:.0%} busy): all stages share its cores"
    # Each in its own busiest second. Much less than the machine has: somebody else uses it too.
    stack = f"the whole stack used at most {sum(seen.busy.values()):.2f}"
    return (f"{full}; {used}{stack}, most of them {told}",)


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
