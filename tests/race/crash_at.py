"""A worker that kills itself with SIGKILL at a named point: `python -m tests.race.crash_at POINT`.

The real worker with one call replaced, so that production code carries no switches for it. Nothing
is flushed, closed or committed on the way out.
"""

import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

# point: worker module, what is replaced ("module:name" or "module:Class.name"), die before or after
POINTS = {
    "order before commit": ("order_consumer", "control_plane.orders.landing:_round", "after"),
    "order after commit": ("order_consumer", "workers.order_consumer:land", "after"),
    "order after announcement": (
        "order_consumer",
        "workers.order_consumer:OrderHandler.announce",
        "after",
    ),
    "deduction after commit": ("inventory_consumer", "workers.inventory_consumer:deduct", "after"),
    "relay after read": ("relay", "workers.relay:Relay._send", "before"),
    "relay after delivery": ("relay", "workers.stock.outbox:OutboxReader.acknowledge", "before"),
    "relay after acknowledgement": (
        "relay",
        "workers.stock.outbox:OutboxReader.acknowledge",
        "after",
    ),
    "agent after opening": ("stock_agent", "workers.stock.shard:arm", "before"),
    "agent after arming": ("stock_agent", "workers.stock.shard:arm", "after"),
    "agent after grant in PostgreSQL": ("stock_agent", "workers.stock.shard:grant", "before"),
    "agent after grant in Redis": ("stock_agent", "workers.stock.shard:grant", "after"),
    "agent before publishing": (
        "stock_agent",
        "control_plane.inventory.services:record_armed",
        "before",
    ),
    "agent after publishing": (
        "stock_agent",
        "control_plane.inventory.services:record_armed",
        "after",
    ),
}


def main(point: str) -> None:
    """Run the point's worker until it dies."""
    worker, target, when = POINTS[point]
    module = importlib.import_module(f"workers.{worker}")
    where, _, path = target.partition(":")
    owner: Any = importlib.import_module(where)
    *classes, name = path.split(".")
    for one in classes:
        owner = getattr(owner, one)
    setattr(owner, name, _deadly(getattr(owner, name), when))
    module.main()


def _deadly(call: Callable[..., Any], when: str) -> Callable[..., Any]:
    def die_around(*args: Any, **kwargs: Any) -> None:
        if when == "after":
            call(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    return die_around


if __name__ == "__main__":
    main(sys.argv[1])
