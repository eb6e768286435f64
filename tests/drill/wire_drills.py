"""Faults of the wires: between the gateway and one shard, the workers and Kafka or PostgreSQL."""

import time
from collections.abc import Callable, Sequence
from functools import partial

from tests.drill.drill import PATIENT, Control, Drill, DrillBroken, Figures
from tests.drill.gateway_drills import SAME_AGAIN
from tests.drill.ground import Ground, memory_mb
from tests.drill.recorder import Heard
from tests.drill.sale import Sale
from tests.drill.wires.faults import DOWN, WireFault
from tests.load.report import percentile

SHARD = 0
PROFILE = "faults"
STEADY_S = 3.0
UNSTEADY = 0.4
CUT_S = 4.0
SLOW_S = 8.0
# Its connections carry what was asked before the fault for so long, and are given up.
SETTLED_S = 1.0
GATEWAY = "nginx: worker"
WORKERS = r"-m (workers\.|celery)"
# Neither yes nor no; `queued` needs no stock.
HONEST = frozenset({"busy", "pending", "connection", "rate_limited"})


def shard_away(ground: Ground, sale: Sale, fault: WireFault) -> Figures:
    """The gateway does not reach one shard's master, and everybody else does."""
    steady = _steady(sale)
    node = sale.master_of(SHARD)
    gone = set(sale.shards_on(node))
    others = [shard for shard in range(sale.shards) if shard not in gone]
    with ground.wires.broken((node,), fault) as hit:
        began = time.monotonic()
        sale.run_for(CUT_S)
        ended = time.monotonic()
    if not hit:
        raise DrillBroken(f"the gateway had no connection to {node}")
    sold = max(sale.until_sells(shard, ended) for shard in sorted(gone))
    meanwhile = _bought(sale, began + SETTLED_S, ended)
    here = [one for one in meanwhile if one.shard in gone]
    there = [one for one in meanwhile if one.shard in others]
    told = sorted({one.outcome for one in here if one.answered < ended} - HONEST)
    if told:
        sale.complain(f"a shard that cannot be reached answered {', '.join(told)}")
    if not here:
        raise DrillBroken("nobody wanted to buy of that shard")
    refused = _refused(there)
    if refused > _tolerated(steady) or not there:
        sale.complain(f"other shards refused {refused:.0%} of {len(there)}, before {steady:.0%}")
    waits = [1000 * (one.answered - one.asked) for one in there]
    return {
        "unknown_or_busy": len(here),
        "others_sold": sum(one.outcome == "reserved" for one in there),
        "others_refused": f"{refused:.0%}, before {steady:.0%}",
        "others_p99_ms": round(percentile(waits, 0.99)),
        "sells_again_s": round(sold - ended, 2),
    }


def _steady(sale: Sale) -> float:
    """What is refused while nothing is wrong. Raises DrillBroken where that is too much."""
    began = time.monotonic()
    sale.run_for(STEADY_S)
    share = _refused(_bought(sale, began, time.monotonic() - SETTLED_S))
    if share > UNSTEADY:
        raise DrillBroken(f"{share:.0%} were refused before the fault")
    return share


def _tolerated(steady: float) -> float:
    return 2 * steady + 0.05


def _refused(bought: Sequence[Heard]) -> float:
    """The share of purchases that were not answered RESERVED at the first click."""
    return sum(one.outcome != "reserved" for one in bought) / len(bought) if bought else 0.0


def _bought(sale: Sale, since: float, until: float) -> list[Heard]:
    """First clicks of this span and what they were answered."""
    return [one for one in sale.crowd.recorder.heard(since, until) if one.what == "buy"]


def slow(ground: Ground, sale: Sale, link: str, fault: WireFault) -> Figures:
    """The sale goes on as if nothing were; orders come late, and memory does not grow with them."""
    steady = _steady(sale)
    relay = ground.running("relay")
    before_mb = memory_mb(relay)
    with ground.wires.broken((link,), fault) as hit:
        began = time.monotonic()
        sale.run_for(SLOW_S)
        ended = time.monotonic()
        grown_mb = memory_mb(relay) - before_mb
    if not hit:
        raise DrillBroken(f"no worker had a connection to {link}")
    bought = _bought(sale, began, ended)
    refused = _refused(bought)
    if refused > _tolerated(steady) or not bought:
        sale.complain(f"{refused:.0%} of {len(bought)} refused meanwhile, before {steady:.0%}")
    if grown_mb > GROWS_MB:
        sale.complain(f"the relay grew by {grown_mb:.0f} MB")
    return {
        "connections_hit": hit,
        "sold_meanwhile": sum(one.outcome == "reserved" for one in bought),
        "refused": f"{refused:.0%}, before {steady:.0%}",
        "relay_grew_mb": round(grown_mb, 1),
    }


# The relay's own bound is 20,000 intents, some 12 MB (workers/relay.py).
GROWS_MB = 64
CUT = WireFault(cut=True, client=GATEWAY)
HOLE = WireFault(hole=True, client=GATEWAY)
DEAF = WireFault(hole=True, way=DOWN, client=GATEWAY)
SLUGGISH = WireFault(latency_ms=150, jitter_ms=100, slice_bytes=512, client=WORKERS)
THIN = WireFault(bytes_per_s=64_000, latency_ms=20, slice_bytes=1024, client=WORKERS)
GONE = WireFault(cut=True, client=WORKERS)


NOT_SENT = Control(
    guard="not sent is busy",
    file="openresty/gateway/steps/reserve.lua",
    old='  refused = "busy",',
    new='  refused = "sold_out",',
    told="cannot be reached answered",
)
NOT_HEARD = Control(
    guard="not heard is pending",
    file="openresty/gateway/steps/reserve.lua",
    old='  unknown = "pending",',
    new='  unknown = "sold_out",',
    # Of the first second, which the drill leaves out, the judge hears it.
    told="cannot be reached answered|sold_out while there were units",
)


def _drill(
    name: str, fault: str, act: Callable[[Ground, Sale], Figures], *controls: Control
) -> Drill:
    return Drill(name, fault, act, plan=PATIENT, controls=controls, group="wires", profile=PROFILE)


DRILLS = (
    _drill("shard-cut", "gateway and one shard: reset", partial(shard_away, fault=CUT), NOT_SENT),
    _drill(
        "shard-hole",
        "gateway and one shard: no answer",
        partial(shard_away, fault=HOLE),
        NOT_HEARD,
    ),
    _drill(
        "shard-deaf",
        "one shard takes what the gateway sends and its answers do not arrive",
        partial(shard_away, fault=DEAF),
        SAME_AGAIN,
    ),
    _drill(
        "kafka-slow",
        "workers and Kafka: late and in pieces",
        partial(slow, link="kafka", fault=SLUGGISH),
    ),
    _drill("kafka-thin", "workers and Kafka: 64 kB/s", partial(slow, link="kafka", fault=THIN)),
    _drill("kafka-cut", "workers and Kafka: reset", partial(slow, link="kafka", fault=GONE)),
    _drill(
        "postgres-slow",
        "workers and PostgreSQL: late and in pieces",
        partial(slow, link="postgres", fault=SLUGGISH),
    ),
    _drill(
        "postgres-cut",
        "workers and PostgreSQL: reset",
        partial(slow, link="postgres", fault=GONE),
    ),
)
