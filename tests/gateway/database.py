"""A stand-in for PostgreSQL as the stock source, behind the control plane's internal endpoints."""

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

from control_plane.orders.services import Request
from control_plane.orders.wish import BadWish, parse

Reply = tuple[int, bytes]


class Database:
    """Items with a pool, epochs that sell, reservations. `fault` may answer in its place.

    `fault` is given what would carry the call out, and returns the reply, or None to hang up.
    """

    def __init__(self) -> None:
        self.selling: set[tuple[int, int, int]] = set()
        self.units: dict[int, int] = {}
        self.limits: dict[int, int] = {}
        self.intents: list[dict[str, Any]] = []
        self.batches: list[int] = []
        self.fault: Callable[[Callable[[], Reply]], Reply | None] | None = None
        self.running = self.most_running = 0
        self._held: dict[str, tuple[str, int]] = {}
        self._lock = threading.Lock()

    def sell(self, item: int, shard: int, epoch: int, units: int, limit: int = 1) -> None:
        """Open an epoch; `units` are in the item's pool."""
        self.selling.add((item, shard, epoch))
        self.units[item], self.limits[item] = units, limit

    def remember(self, known: Iterable[tuple[str, str, int]]) -> None:
        """(shopper, reservation_id, qty) that were decided before it began to sell."""
        self._held |= {name: (shopper, qty) for shopper, name, qty in known}

    def answer(self, sent: bytes) -> Reply | None:
        """POST /internal/reserve."""
        with self._lock:
            self.running += 1
            self.most_running = max(self.running, self.most_running)
        try:
            if self.fault:
                return self.fault(lambda: self.carry_out(sent))
            return self.carry_out(sent)
        finally:
            with self._lock:
                self.running -= 1

    def carry_out(self, sent: bytes) -> Reply:
        """One transaction; what the real control plane would not read is not read here."""
        try:
            wish = parse(sent)
        except BadWish as error:
            return 400, str(error).encode()
        with self._lock:
            if (wish.item, wish.shard, wish.epoch) not in self.selling:
                return 409, b"{}"
            self.batches.append(len(wish.requests))
            again: list[str] = []
            codes = "".join(self._reserve(wish.item, one, again) for one in wish.requests)
        return 200, json.dumps({"codes": codes, "again": ",".join(again)}).encode()

    def status(self, reservation_id: str, shopper: str) -> Reply:
        """GET /internal/reservations/{id}."""
        if self.fault:
            return self.fault(lambda: (404, b"{}")) or (500, b"")
        held = self._held.get(reservation_id)
        if held is None or held[0] != shopper:
            return 404, b"{}"
        return 200, json.dumps({"qty": held[1]}).encode()

    def end(self, reservation_id: str) -> None:
        """The order expired: it counts no more and stays known."""
        self._held[reservation_id] = (self._held[reservation_id][0], 0)

    def held(self) -> dict[str, int]:
        """Reservation → quantity."""
        return {name: qty for name, (_, qty) in self._held.items()}

    def _reserve(self, item: int, request: Request, again: list[str]) -> str:
        shopper, qty, name = request.shopper, request.qty, request.reservation_id
        if name in self._held:
            again.append(str(self._held[name][1]))
            return "A"
        prefix = f"{item}-"
        mine = [
            held
            for other, (owner, held) in self._held.items()
            if owner == shopper and other.startswith(prefix)
        ]
        if sum(mine) + qty > self.limits[item]:
            return "L"
        if qty > self.units[item]:
            return "P" if self.units[item] else "S"
        self.units[item] -= qty
        self._held[name] = (shopper, qty)
        self.intents.append(json.loads(request.value))
        return "R"
