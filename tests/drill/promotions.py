"""Which masters were replaced by their replicas during a sale: pure but for the watch.

Not told from a shard's keys: a re-arm that was planned changes their epoch, hence slot and node.
"""

import contextlib
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import psycopg2
import redis

from tests.drill.drill import DrillBroken
from tests.drill.stock_nodes import tag

if TYPE_CHECKING:  # the sale needs Django's settings
    from tests.drill.sale import Sale

LOOK_S = 0.5


@dataclass(frozen=True)
class Look:
    """At one moment: each node's role as `StockNodes.roles` has it, and who sells each shard."""

    at: float
    roles: Mapping[str, str]
    homes: Mapping[int, str]


@dataclass(frozen=True)
class Promotion:
    """A replica that is a master now, the one it copied, and the shards that this one had."""

    at: float
    old: str
    new: str
    shards: frozenset[int]


def promotions(looks: Iterable[Look]) -> list[Promotion]:
    """In their order. A master that came up again as one has kept what it had on its disk."""
    found: list[Promotion] = []
    copied: dict[str, str] = {}
    homes: dict[int, str] = {}
    for look in looks:
        for node, role in look.roles.items():
            if role == "master" and (old := copied.pop(node, None)):
                had = frozenset(shard for shard, home in homes.items() if home == old)
                found.append(Promotion(look.at, old, node, had))
        for node, role in look.roles.items():
            if role.startswith("replica of "):
                number = role.removeprefix("replica of ")
                copied[node] = f"{node.rpartition('-')[0]}-{number}"
        homes |= look.homes
    return found


def since(promotion: Promotion, begun: Iterable[tuple[str, float]], opened: float) -> float:
    """When the fault began that led to it: the last one of its old master, as far as known."""
    times = [at for target, at in begun if target == promotion.old and at <= promotion.at]
    return max(times, default=opened)


class RolesWatch:
    """Looks at the cluster again and again while the sale goes on."""

    def __init__(self, sale: "Sale") -> None:
        self._sale = sale
        self._over = threading.Event()
        self.looks = [self._look()]
        self._thread = threading.Thread(target=self._watch, name="roles", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def stop(self) -> list[Look]:
        """All of them, with a last one."""
        self.__exit__()
        self.looks.append(self._look())
        return self.looks

    def _watch(self) -> None:
        while not self._over.wait(LOOK_S):
            self.looks.append(self._look())

    def _look(self) -> Look:
        """What can be seen of it in the middle of faults."""
        sale = self._sale
        roles: dict[str, str] = {}
        homes: dict[int, str] = {}
        # First: after a promotion they would name the new master before it is seen to be one.
        with contextlib.suppress(redis.RedisError, psycopg2.Error, OSError, DrillBroken):
            for shard, (epoch, source) in sale.books.selling().items():
                if source == "primary":
                    homes[shard] = sale.nodes.master_of(tag(sale.item, shard, epoch))
        with contextlib.suppress(redis.RedisError, OSError):
            roles = sale.nodes.roles()
        return Look(time.monotonic(), roles, homes)
