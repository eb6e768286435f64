"""A crowd before a queue: what gateways and shoppers do, in this process, by real scripts."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from control_plane.campaigns.models import Item
from workers.queue import line
from workers.queue.config import Newest
from workers.queue.line import Called, QueueKeys
from workers.runtime.clock import Clock
from workers.stock import scripts
from workers.stock.cluster import StockCluster
from workers.stock.keys import Shard
from workers.tests.selling import sell

CALL_MAX = 500
TICK_S = 0.2
BUCKETS = [{"name": "vip", "weight": 3}, {"name": "regular", "weight": 1}]
FIRST_SUNDAY = datetime(2026, 11, 29, 12, tzinfo=UTC)


class TurnedClock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self._passed_s = 1000.0

    def now(self) -> datetime:
        """Aware, UTC."""
        return FIRST_SUNDAY + timedelta(seconds=self._passed_s)

    def monotonic(self) -> float:
        """Seconds."""
        return self._passed_s

    def turn(self, seconds: float) -> None:
        """Let time pass."""
        self._passed_s += seconds


class Published(Newest):
    """The snapshot as far as a queue controller reads it; `queue` may be changed.

    `neighbours`: other items of the same sale, each with such a queue of its own.
    """

    def __init__(self, item: Item, clock: Clock, **queue: Any) -> None:
        super().__init__()
        start_ms = int((clock.now() + timedelta(seconds=1)).timestamp() * 1000)
        self.queue: dict[str, Any] = {
            "mode": "fifo",
            "buckets": [{"name": "regular", "weight": 1}],
            "k": 4,
            "grace_ms": 30_000,
            "opens_ms": start_ms - 60_000,
            "draw": None,
        } | queue
        self.item: dict[str, Any] = {
            "id": item.pk,
            "limit": 1,
            "shard_count": 1,
            "state": "live",
            "start_ms": start_ms,
            "end_ms": start_ms + 3_600_000,
        }
        self.neighbours: list[Item] = []

    def document(self) -> Mapping[str, Any]:  # type: ignore[override]
        """All items in it have the one queue's settings."""
        ids = [self.item["id"], *(neighbour.pk for neighbour in self.neighbours)]
        of_all = self.item | {"queue": self.queue}
        return {"items": {str(pk): of_all | {"id": pk} for pk in ids}}


@dataclass(eq=False)
class Shopper:
    """One who wants a unit. `heard`: reserved, sold_out, or None while he waits."""

    name: str
    bucket: int = 0
    comes: bool = True
    place: int | None = None
    asks_at: float = 0.0
    heard: str | None = None


@dataclass
class Crowd:
    """All of them and the gateway between; `base`: places of the draw that come before numbers."""

    cluster: StockCluster
    keys: QueueKeys
    shard: Shard
    shoppers: list[Shopper]
    rng: random.Random
    base: list[int] = field(default_factory=lambda: [0] * 16)
    came: set[tuple[int, int]] = field(default_factory=set)
    order: list[tuple[int, int]] = field(default_factory=list)

    @property
    def waiting(self) -> list[Shopper]:
        """Who has heard nothing final."""
        return [shopper for shopper in self.shoppers if shopper.heard is None]

    def step(self, now: float) -> None:
        """Everybody whose time has come asks once."""
        asking = [one for one in self.waiting if one.asks_at <= now]
        for at in range(0, len(asking), CALL_MAX):
            self._ask(asking[at : at + CALL_MAX], now)

    def take(
        self, wants: list[int], came: list[tuple[int, int]], asked: list[tuple[int, int]]
    ) -> tuple[list[Called], bool, list[int], list[str]]:
        """One call of take_numbers.lua: window, whether sold out, first numbers, answers."""
        names = [self.keys.ctl, self.keys.numbers, *self.keys.came]
        arguments = (
            ",".join(str(want) for want in wants),
            " ".join(f"{bucket}:{place}" for bucket, place in came),
            " ".join(f"{bucket}:{place}" for bucket, place in asked),
        )
        node = self.cluster.node_of(self.keys)
        reply: Any = node.evalsha(scripts.TAKE_NUMBERS.sha, len(names), *names, *arguments)
        answers = [one for one in reply[5].decode().split(",") if one]
        firsts = [int(one) for one in reply[4].decode().split(",")]
        return line._read_window(reply[2]), reply[3] == 1, firsts, answers

    def _ask(self, asking: list[Shopper], now: float) -> None:
        wants = [0] * self.keys.buckets
        new = [one for one in asking if one.place is None]
        for shopper in new:
            wants[shopper.bucket] += 1
        window, is_sold_out, firsts, _ = self.take(wants, [], [])
        for shopper in new:
            number = firsts[shopper.bucket]
            firsts[shopper.bucket] += 1
            shopper.place = self.base[shopper.bucket] + number if number >= 0 else None
        called = []
        for shopper in asking:
            until, written, _ = window[shopper.bucket]
            if is_sold_out:
                shopper.heard = "sold_out"
            elif shopper.place is None or shopper.place >= until:
                ahead = (shopper.place or 0) - until
                shopper.asks_at = now + min(0.3 + ahead / 4000, 15.0) * self.rng.uniform(0.75, 1.25)
            elif shopper.place < written:
                shopper.place = None
            elif shopper.comes:
                called.append(shopper)
            else:
                shopper.heard = "stayed away"
        self._buy(called, now)

    def _buy(self, called: list[Shopper], now: float) -> None:
        if not called:
            return
        places = [(one.bucket, one.place) for one in called if one.place is not None]
        self.take([0] * self.keys.buckets, places, [])
        self.came.update(places)
        codes = sell(self.cluster, self.shard, [one.name for one in called])
        for shopper, place, code in zip(called, places, codes, strict=True):
            if code in "RA":
                shopper.heard = "reserved"
                self.order.append(place)
            elif code == "S":
                shopper.heard = "sold_out"
            else:
                shopper.asks_at = now + 0.3


def outstanding(window: list[Called], came: set[tuple[int, int]]) -> int:
    """Counted by hand: called, and neither come nor written off."""
    return sum(
        called.served_until
        - called.written_off
        - sum(1 for of, place in came if of == bucket and place >= called.written_off)
        for bucket, called in enumerate(window)
    )
