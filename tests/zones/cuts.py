"""One zone cut off during a sale, and what is to be counted of it."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from tests.drill.drill import DrillBroken, Figures, Plan
from tests.drill.judge import Promises
from tests.drill.recorder import Heard
from tests.drill.sale import Sale
from tests.zones.ground import ZonesGround
from tests.zones.layout import STOCK, gateways

BEFORE_S, AFTER_S = 4.0, 4.0
# What a replica had not taken over yet; an answer may have been on its way. A master that is cut
# off sells on to shoppers who still reach its gateway, until min-replicas-max-lag (2 s, and the
# second in which Redis looks) ends it.
LAG_S, LONELY_S = 0.5, 3.5
RETURNS_S = 150.0
# What the agent writes down when a node does not sell the epoch any more.
FENCED = (
    *("its keys are gone", "its control record is not of this epoch"),
    *("it was armed in another life", "its node has restarted and lost the reserve script"),
    *("FENCED", "another life of its node", "it could not be armed, another master can"),
)
PLAN = Plan(units=20_000, rate_per_s=60, seconds=10.0, most_s=240.0, lead_s=10.0)
PROMISES = Promises(failover=True, rearms=FENCED)


@dataclass(frozen=True)
class Cut:
    """`wires` are what is unplugged; without `out` the zone's own shoppers still reach it."""

    name: str
    fault: str
    zone: str
    lasts_s: float
    wires: Sequence[str] = ("in", "out")


CUTS = (
    Cut("zone-a", "zone a gone: gateway, stock master and replica, broker", "a", 12.0),
    Cut("zone-b", "zone b gone: gateway, stock master and replica, broker", "b", 12.0),
    Cut("alone-a", "zone a alone with its shoppers: it reaches no other zone", "a", 12.0, ("in",)),
    Cut("zone-c", "zone c gone: PostgreSQL, control plane, workers, master, broker", "c", 12.0),
)


def act(ground: ZonesGround, sale: Sale, cut: Cut) -> Figures:
    """Sell, cut, sell on, heal, sell on."""
    sale.run_for(BEFORE_S)
    masters = {shard: sale.master_of(shard) for shard in range(sale.shards)}
    lost = [shard for shard, node in masters.items() if STOCK[node] == cut.zone]
    if not lost:
        raise DrillBroken(f"no shard had its master in zone {cut.zone}: {masters}")
    with ground.network.cut(cut.zone, cut.wires) as since:
        until = since + cut.lasts_s
        while time.monotonic() < until:
            time.sleep(0.1)
    healed = time.monotonic()
    sale.lost_in(lost, since - LAG_S, since + (LONELY_S if "out" not in cut.wires else 0.0))
    for shard in range(sale.shards):
        sale.until_sells(shard, healed, RETURNS_S)
    for url in gateways().values():
        sale.wait_for(partial(_sold_by, sale, url, healed), f"{url} to sell", RETURNS_S)
    landed = sale.wait_for(
        partial(_landed, sale, healed), "an order of what was sold after the cut", RETURNS_S
    )
    sale.nodes.wait_until_whole()
    sale.run_for(AFTER_S)
    sale.crowd.leave()
    return _figures(sale, cut, since, healed, lost) | {"orders_after_heal_s": landed}


def _sold_by(sale: Sale, gateway: str, since: float) -> list[Heard]:
    sold = sale.crowd.recorder.reserved(range(sale.shards), since)
    return [one for one in sold if one.gateway == gateway]


def _landed(sale: Sale, healed: float) -> float:
    """Seconds from the healing until something that was sold behind it is an order; 0 before."""
    sold = {one.reservation_id for one in sale.crowd.recorder.reserved(range(sale.shards), healed)}
    made = sale.books.query("SELECT reservation_id FROM orders_order WHERE item_id = %s", sale.item)
    return round(time.monotonic() - healed, 1) if any(name in sold for (name,) in made) else 0.0


def _figures(sale: Sale, cut: Cut, since: float, healed: float, lost: list[int]) -> Figures:
    recorder, end = sale.crowd.recorder, time.monotonic()
    spans = {"before": (0.0, since), "during": (since, healed), "after": (healed, end)}
    shards = range(sale.shards)
    sold = {
        name: [one for one in recorder.reserved(shards, begin) if one.asked < until]
        for name, (begin, until) in spans.items()
    }
    meanwhile = [one for one in recorder.heard(since, healed) if one.what == "buy"]
    if not sold["during"]:
        sale.complain(f"nobody was sold anything while zone {cut.zone} was away")
    return {
        "cut_s": round(healed - since, 1),
        "shards_of_the_zone": lost,
        "sold": {name: len(answers) for name, answers in sold.items()},
        "sold_during_by_shard": dict(sorted(Counter(one.shard for one in sold["during"]).items())),
        "silent_s": {
            shard: _longest_silence(recorder.reserved([shard], 0.0), since, end) for shard in shards
        },
        "answers_during": dict(Counter(one.outcome for one in meanwhile)),
        "gateways_after": dict(Counter(one.gateway for one in sold["after"])),
    }


def _longest_silence(answers: list[Heard], since: float, until: float) -> float:
    """The longest time from the cut on in which a shard answered nobody RESERVED."""
    times = sorted(one.answered for one in answers if since <= one.answered < until)
    return round(max(b - a for a, b in pairwise([since, *times, until])), 2)
