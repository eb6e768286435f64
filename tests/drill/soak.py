"""The soak: sale after sale under a plan of random faults, and its history checked afterwards.

    make drill SOAK=10m SEED=7

Each sale is a drill of its own with its own verdict, on the same stack. The same seed is the same
plan (`plan.py`); what the machine makes of it differs, so a plan that was red is worth repeating.
"""

import argparse
import os
import re
import secrets
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.drill import plan
from tests.drill.decided import until_decided
from tests.drill.drill import Drill, DrillBroken, Figures, Plan
from tests.drill.gateway_drills import kill_workers
from tests.drill.ground import Ground
from tests.drill.judge import Promises
from tests.drill.promotions import Promotion, RolesWatch, promotions, since

if TYPE_CHECKING:  # the sale needs Django's settings
    from tests.drill.sale import Sale

PROFILE = "faults"
SEED_MAX = 2**31
RATE_PER_S = 25
UNITS = 12_000
WELL_S = 120.0
SELLS_S = 90.0
LANDED_S = 90.0
# Shoppers go on coming until all is well again, however long that takes a busy machine.
STAYS_S = 240.0
LAG_S = 0.5
_DURATION = re.compile(r"([1-9][0-9]*)(s|m|h)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def duration(text: str) -> float:
    """Of `90s`, `10m`, `2h`; raises argparse's error."""
    form = _DURATION.fullmatch(text)
    if form is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: 90s, 10m, 2h")
    return float(int(form[1]) * _SECONDS[form[2]])


def any_seed() -> int:
    """Of a soak that was given none; it is printed."""
    return secrets.randbelow(SEED_MAX)


def drills(seconds: float, seed: int) -> list[Drill]:
    """One for each sale of the plan."""
    all_rounds = plan.rounds(seed, seconds)
    return [
        Drill(
            name=f"soak-{seed}-{number}",
            fault=f"{len(faults)} random faults, seed {seed}, sale {number} of {len(all_rounds)}",
            act=partial(soak, faults=faults),
            # Faults and re-arms by hand both begin re-arms.
            promises=Promises(rearms=("",)),
            plan=Plan(
                units=UNITS,
                rate_per_s=RATE_PER_S,
                seconds=plan.ROUND_S,
                most_s=plan.ROUND_S + STAYS_S,
            ),
            group="soak",
            profile=PROFILE,
        )
        for number, faults in enumerate(all_rounds, start=1)
    ]


def soak(ground: Ground, sale: "Sale", faults: Sequence[plan.Fault]) -> Figures:
    """Every fault in its time, in a thread of its own; then all is well again and sells."""
    with RolesWatch(sale) as watch:
        return _soak(ground, sale, faults, watch)


def _soak(ground: Ground, sale: "Sale", faults: Sequence[plan.Fault], watch: RolesWatch) -> Figures:
    opened = time.monotonic()
    timeline: list[dict[str, Any]] = [{} for _ in faults]
    over = threading.Event()
    threads = [
        threading.Thread(
            target=_carry_out,
            args=(ground, sale, fault, opened, timeline[number], over),
            daemon=True,
        )
        for number, fault in enumerate(faults)
    ]
    for thread in threads:
        thread.start()
    try:
        sale.run_for(plan.ROUND_S)
        sale.wait_for(
            lambda: not any(thread.is_alive() for thread in threads), "the faults to end", WELL_S
        )
    finally:
        # Who is asked to leave begins no fault any more.
        over.set()
    ground.wires.clear_all()
    ended = time.monotonic()
    sale.wait_for(lambda: not ground.unhealthy(), "every process to be well", WELL_S)
    well = time.monotonic()
    sells = {shard: sale.until_sells(shard, ended, SELLS_S) for shard in range(sale.shards)}
    sold = time.monotonic()
    promoted = promotions(watch.stop())
    _note_promotions(sale, promoted, faults, timeline, opened, sells)
    done = sum(not one.get("error") for one in timeline)
    if done * 4 < len(faults) * 3:
        raise DrillBroken(f"only {done} of {len(faults)} faults happened: {timeline}")
    # Before the books are read.
    until_decided(sale, LANDED_S)
    return {
        "faults": f"{done} of {len(faults)}",
        "well_again_s": round(well - ended, 1),
        "sells_again_s": round(sold - ended, 1),
        "promotions": [f"{one.old} → {one.new}" for one in promoted],
        "timeline": timeline,
    }


def _carry_out(
    ground: Ground,
    sale: "Sale",
    fault: plan.Fault,
    opened: float,
    noted: dict[str, Any],
    over: threading.Event,
) -> None:
    """One fault; whatever keeps it from happening is noted, the others go on."""
    if over.wait(max(0.0, opened + fault.at_s - time.monotonic())):
        return
    began = time.monotonic()
    noted |= {"fault": fault.told(), "planned_s": [fault.at_s, fault.at_s + fault.lasts_s]}
    try:
        with _happening(ground, sale, fault):
            noted["began_s"] = round(time.monotonic() - opened, 2)
            over.wait(max(0.0, opened + fault.at_s + fault.lasts_s - time.monotonic()))
    except Exception as error:  # noqa: BLE001  # a fault that hits the hand of another one
        noted["error"] = f"{type(error).__name__}: {error}"[:300]
        noted.setdefault("began_s", round(began - opened, 2))
    noted["ended_s"] = round(time.monotonic() - opened, 2)


@contextmanager
def _happening(ground: Ground, sale: "Sale", fault: plan.Fault) -> Iterator[None]:
    if fault.wire is not None:
        with ground.wires.broken((fault.target,), fault.wire):
            yield
    elif fault.what == plan.FREEZE:
        with ground.frozen(fault.target):
            yield
    elif fault.what == plan.DOWN_FOR:
        with ground.held_down(fault.target):
            yield
    else:
        _at_once(ground, sale, fault)
        yield


def _at_once(ground: Ground, sale: "Sale", fault: plan.Fault) -> None:
    """Faults without a length."""
    from tests.drill import operator

    if fault.target == "gateway-workers":
        kill_workers(ground)
    elif fault.what == plan.KILL:
        ground.kill_and_wait(fault.target)
    elif fault.what == "reload":
        os.kill(ground.running(fault.target), signal.SIGHUP)
    else:
        import django.db

        try:
            if fault.what == "top-up":
                operator.top_up(sale, 50)
            else:
                shard = int(fault.target.removeprefix("shard-"))
                operator.rearm(sale, shard, fault.what.removeprefix("rearm-"))
        finally:
            django.db.connections.close_all()


def _note_promotions(
    sale: "Sale",
    promoted: Sequence[Promotion],
    faults: Sequence[plan.Fault],
    timeline: Sequence[dict[str, Any]],
    opened: float,
    sells: dict[int, float],
) -> None:
    """A replica that was promoted may lack what its master had answered: that may be lost.

    Of the shards of that master only, from its fault until the shard sells again.
    """
    begun = [
        (fault.target, opened + noted["began_s"])
        for fault, noted in zip(faults, timeline, strict=True)
        if "began_s" in noted
    ]
    for one in promoted:
        sale.lost_shards |= one.shards
        for shard in one.shards:
            sold = sale.crowd.recorder.reserved([shard], one.at)
            until = min((first.answered for first in sold), default=sells[shard])
            sale.lost_in([shard], since(one, begun, opened) - LAG_S, until)
