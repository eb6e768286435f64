"""Faults of the queue: its controller killed, again and again, and then gone for a while."""

import random
import time

from tests.drill.drill import Drill, DrillBroken, Figures, Plan
from tests.drill.ground import Ground
from tests.drill.judge import Promises
from tests.drill.sale import Sale

CONTROLLER = "queue-controller"
KILLS = 4
GONE_S = 3.0

Window = list[tuple[int, int]]


def controller_killed(ground: Ground, sale: Sale) -> Figures:
    """Killed at any moment; then held down: whoever was called buys, nobody else is called."""
    seen = [_window(sale)]
    for _ in range(KILLS):
        sale.run_for(random.uniform(0.2, 0.6))
        ground.kill_and_wait(CONTROLLER)
        _look(sale, seen)
    sale.wait_for(lambda: _look(sale, seen) > seen[0], "the window to move")
    with ground.held_down(CONTROLLER) as died:
        stands = _look(sale, seen)
        sale.run_for(GONE_S)
        if _look(sale, seen) != stands:
            sale.complain(f"without a controller the window moved from {stands} to {seen[-1]}")
        waits = sum(one.outcome == "queued" for one in sale.crowd.recorder.heard(died))
    if not waits:
        raise DrillBroken("nobody had to wait while the controller was gone")
    sale.wait_for(lambda: _look(sale, seen) > stands, "the window to move again")
    moved = time.monotonic()
    sale.until_sold_out()
    _look(sale, seen)
    return {"killed": KILLS + 1, "waits": waits, "moves_again_s": round(moved - died - GONE_S, 1)}


def _look(sale: Sale, seen: list[Window]) -> Window:
    """The window now; it never goes back."""
    now = _window(sale)
    if any(
        one < before
        for old, new in zip(seen[-1], now, strict=True)
        for before, one in zip(old, new, strict=True)
    ):
        sale.complain(f"the window went back from {seen[-1]} to {now}")
    seen.append(now)
    return now


def _window(sale: Sale) -> Window:
    """served_until and written_off of each bucket."""
    from workers.queue.line import QueueKeys

    keys = QueueKeys(sale.item, 1)
    with sale.nodes.client(sale.nodes.master_of(keys.tag)) as client:
        text = str(client.hget(keys.ctl, "window") or "")
    numbers = [[int(one) for one in called.split(":")] for called in text.split(",") if called]
    if not numbers:
        raise DrillBroken("the item has no queue")
    return [(served, written) for served, written, _ in numbers]


DRILLS = (
    Drill(
        name="queue-controller-killed",
        fault="queue controller killed -9 at any moment, four times, then held down for 3 s",
        act=controller_killed,
        promises=Promises(sells_out=True),
        # Few units: with many all who come in these seconds would have been called ahead.
        plan=Plan(units=1200, limit=1, rate_per_s=120, seconds=10.0, queue_mode="fifo", queue_k=2),
        group="queue",
    ),
)
