"""Other stock sources mid-sale: changed over as planned, and because the primary is gone."""

import time
from collections import Counter
from contextlib import ExitStack, suppress

from tests.drill import operator
from tests.drill.drill import Drill, DrillBroken, Figures, Plan
from tests.drill.ground import Ground, wait_for
from tests.drill.judge import Promises, account
from tests.drill.sale import Sale
from tests.drill.stock_nodes import tag

# `give_up --all` leaves out what was fenced within the gateways' lease and one second more.
LEASE_IS_OVER_S = 3.2
COME_LATE_S = 8.0


def other_sources(ground: Ground, sale: Sale) -> Figures:
    """Primary → standby → database → primary, each as an operator switches it."""
    took = {}
    for source in ("standby", "database", "primary"):
        sale.run_for(1.0)
        began = time.monotonic()
        operator.switch_source(source)
        switched = time.monotonic()
        _wait_until_all_sell(sale, source, switched)
        took[source] = round(time.monotonic() - began, 2)
    return {"sells_from_s": took}


def primary_lost(ground: Ground, sale: Sale) -> Figures:
    """All six nodes at one moment, and they stay away; the operator follows the runbook.

    The sale goes on to its last unit from the standby. Then the nodes come back with what they had
    sold and nobody knows of: the relay delivers it, to whoever it still helps.
    """
    sale.run_for(1.5)
    try:
        with ExitStack() as down:
            with ground.frozen("relay"):
                unsent = _unsent_since(sale)
                # What is sold now stands on these nodes only.
                sale.run_for(0.5)
                died = down.enter_context(ground.all_held_down(sale.nodes.names))
            sale.lost_in(range(sale.shards), unsent, died)
            figures, lost = _go_on_from_the_standby(ground, sale, died)
        figures["whole_again_s"] = round(sale.nodes.wait_until_whole(), 1)
        figures["came_late"] = _came_late(sale, lost)
    finally:
        # The next drill begins on the primary.
        operator.ensure_source("primary")
    return figures


def _go_on_from_the_standby(ground: Ground, sale: Sale, died: float) -> tuple[Figures, set[str]]:
    """Until the last unit is sold there; the figures, and the reservations that were lost."""
    operator.force_source(ground, "standby")
    switched = time.monotonic()
    sale.run_for(LEASE_IS_OVER_S)
    if (given_up := operator.give_up_all(ground)) < sale.shards:
        raise DrillBroken(f"only {given_up} re-arms were given up")
    gave_up = time.monotonic()
    # The primary is gone, so whoever sells is the standby; perhaps while the command still ran.
    sold = [sale.until_sells(shard, died + 0.05) for shard in range(sale.shards)]
    sold_out = sale.until_sold_out()
    lost = set(account(sale.crowd.recorder.promises, sale.books.read()).lost)
    if not lost:
        raise DrillBroken("nothing was lost with the primary")
    answered_since = [one for one in sale.crowd.recorder.heard(switched) if one.what == "buy"]
    if wrong := lost & {one.reservation_id for one in answered_since}:
        sale.complain(f"{len(wrong)} reservations of the standby are lost")
    [(returned,)] = sale.books.query(_RETURNED, sale.item)
    figures = {
        "standby_sells_s": {
            "after_the_loss": [round(one - died, 2) for one in (min(sold), max(sold))],
            "after_the_switch": [round(one - switched, 2) for one in (min(sold), max(sold))],
            "after_giving_up": round(max(sold) - gave_up, 2),
        },
        "sold_out_s": round(sold_out - died, 1),
        "given_up": given_up,
        "units_returned": int(returned),
        "lost_with_primary": len(lost),
    }
    return figures, lost


def _unsent_since(sale: Sale) -> float:
    """Since when the relay, which stands still, has delivered nothing (time.monotonic())."""
    oldest = min(
        sale.nodes.unsent_since(tag(sale.item, shard, epoch))
        for shard, (epoch, _) in sale.books.selling().items()
    )
    return time.monotonic() - (time.time() - oldest)


def _came_late(sale: Sale, lost: set[str]) -> dict[str, int]:
    """What became of them with the nodes back: order, rejection, or nothing so far."""

    def decided() -> bool:
        truth = sale.books.read()
        return lost <= truth.orders.keys() | truth.rejections.keys()

    with suppress(DrillBroken):
        # Who sends them late is looked at; that somebody does is not promised.
        wait_for(decided, "the relay to deliver what came back", COME_LATE_S, 0.2)
    truth = sale.books.read()
    reasons = Counter(truth.rejections[one] for one in lost & truth.rejections.keys())
    return {"confirmed": len(lost & truth.orders.keys()), **reasons}


def _wait_until_all_sell(sale: Sale, source: str, since: float) -> None:
    def sells() -> bool:
        selling = sale.books.selling()
        return len(selling) == sale.shards and all(one == source for _, one in selling.values())

    sale.wait_for(sells, f"every shard to be armed in {source}")
    armed = time.monotonic()
    for shard in range(sale.shards):
        sale.until_sells(shard, max(since, armed - 0.2))


_RETURNED = """
SELECT coalesce(sum(granted - consumed), 0) FROM inventory_allocation
 WHERE item_id = %s AND source = 'primary' AND state = 'closed'
"""
DRILLS = (
    Drill(
        name="other-sources",
        fault="switched to the standby, to the database and back under load",
        act=other_sources,
        promises=Promises(rearms=("stock source",)),
    ),
    Drill(
        name="primary-lost",
        fault="all six nodes of the primary killed and held down; forced to the standby, given up",
        act=primary_lost,
        promises=Promises(
            failover=True, sells_out=True, to_the_last=True, rearms=("stock source",)
        ),
        # Whoever waits for the standby clicks on and on, and shares the machine with it.
        plan=Plan(units=900, rate_per_s=60, most_s=150.0),
    ),
)
