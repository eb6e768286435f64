"""The crowd of one rung: who comes, what he sends and when, and what everybody heard.

Accepted, repeated, refused by reason and unknown are counted apart; what landed is counted in
PostgreSQL afterwards (`columns.py`).
"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.load import purchases
from tests.load.campaign import Item
from tests.load.chain.curve import Arrival, Kind
from tests.load.chain.open_loop import NO_ANSWER, Answer, OpenLoop

# Pollers ask as the SDK does; every so many of them asks more often, so that it can tell the time.
POLL_S, WATCHER_POLL_S = 1.0, 0.05
WATCHER_EVERY = 10
POLLS_FOR_S = 20.0
FINAL = ("confirmed", "rejected", "expired")
WRONG_KEY = b"w" * 22


@dataclass
class Heard:
    """Everything that was answered; times are the wall clock's."""

    requests: int = 0
    reserved: dict[str, str] = field(default_factory=dict)  # reservation id → shopper
    reserved_at: list[float] = field(default_factory=list)
    repeated: int = 0  # the same reservation, told once more
    refused: Counter[str] = field(default_factory=Counter)  # clicks by outcome
    unknown: int = 0  # clicks that were answered pending, or not at all
    looks: Counter[int] = field(default_factory=Counter)  # campaign and status by HTTP status
    confirmed: int = 0
    reserve_ms: list[float] = field(default_factory=list)
    other_ms: list[float] = field(default_factory=list)
    confirm_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    clicked_at: list[float] = field(default_factory=list)
    refused_at: list[float] = field(default_factory=list)

    @property
    def uncounted(self) -> int:
        """Clicks that are in none of the columns, or, below zero, in two."""
        counted = len(self.reserved) + self.repeated + self.refused.total() + self.unknown
        return len(self.clicked_at) - counted


class Miscounted(Exception):
    """The columns are not all of the clicks: nothing of the rung can be believed."""


def _json(answer: Answer) -> dict[str, Any]:
    """Empty for what is no JSON object."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


class Crowd:
    """Plans everything before it begins; a poll is planned by the answer before it."""

    def __init__(self, item: Item, arrivals: Sequence[Arrival], first: int, seed: int) -> None:
        """`first`: number of the first shopper, so that no rung meets another one's."""
        self._item, self._arrivals, self._first = item, arrivals, first
        self._choice = random.Random(seed)
        self.heard = Heard()
        # Signing takes its time, so it is done before anybody is due.
        self._clicks = list(
            purchases.each(
                item.buy_path,
                item=item.id,
                kid=item.kid,
                secret=item.secret,
                first=first,
                count=len(arrivals),
            )
        )
        self._look = f"GET /v1/campaigns/{item.slug} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()

    async def run(self) -> Heard:
        """Come at the times of the sale's own start; returns when nobody waits any more."""
        loop = asyncio.get_running_loop()
        # From the sale's clock, the wall's, to the loop's.
        self._offset = loop.time() - time.time()
        self._client = OpenLoop(self._item.port)
        for index, arrival in enumerate(self._arrivals):
            for number, at_s in enumerate(arrival.clicks_s):
                self._plan(index, arrival, number, self._item.starts_at + at_s + self._offset)
        await self._client.run()
        self.heard.late_ms = self._client.late_ms
        self.heard.reserved_at.sort()
        if self.heard.uncounted:
            raise Miscounted(
                f"{self.heard.uncounted} of {len(self.heard.clicked_at)} clicks are in no column"
            )
        return self.heard

    def _plan(self, index: int, arrival: Arrival, number: int, due: float) -> None:
        self.heard.requests += 1
        if arrival.kind is Kind.LOOKER:
            self._client.plan(due, self._look, self._looked)
            return
        self.heard.clicked_at.append(due - self._offset)
        wire = self._wire(index, arrival.kind)
        self._client.plan(due, wire, lambda answer: self._clicked(index, answer))

    def _wire(self, index: int, kind: Kind) -> bytes:
        click = self._clicks[index]
        if kind is Kind.FORGER:
            # One character of the payload, behind the head's dot.
            at = click.index(b"Bearer ") + 100
            changed = b"A" if click[at : at + 1] != b"A" else b"B"
            return click[:at] + changed + click[at + 1 :]
        if kind is Kind.GUESSER:
            key = self._item.buy_path.split("/")[-2].encode()
            return click.replace(key, WRONG_KEY[: len(key)], 1)
        return click

    def _looked(self, answer: Answer) -> None:
        self.heard.looks[answer.status] += 1
        self.heard.other_ms.append(answer.ms)

    def _clicked(self, index: int, answer: Answer) -> None:
        heard = self.heard
        if answer.status == NO_ANSWER:
            heard.unknown += 1
            return
        body = _json(answer)
        outcome = str(body.get("outcome") or body.get("code") or answer.status)
        reservation = str(body.get("reservation_id", ""))
        if not body or (outcome in ("pending", "reserved") and not reservation):
            # Nobody can tell from it what became of the click.
            heard.unknown += 1
            return
        if outcome == "pending":
            heard.unknown += 1
        elif outcome != "reserved":
            heard.refused[outcome] += 1
            heard.refused_at.append(answer.answered - self._offset)
            heard.other_ms.append(answer.ms)
            return
        heard.reserve_ms.append(answer.ms)
        self._reserved(index, reservation, outcome, answer)

    def _reserved(self, index: int, reservation: str, outcome: str, answer: Answer) -> None:
        heard = self.heard
        if outcome == "reserved":
            if reservation in heard.reserved:
                heard.repeated += 1
                return
            heard.reserved[reservation] = purchases.shopper(self._first + index)
            heard.reserved_at.append(answer.answered - self._offset)
        pause_s = WATCHER_POLL_S if index % WATCHER_EVERY == 0 else POLL_S
        self._poll(index, reservation, answer.due, answer.answered, pause_s)

    def _poll(
        self, index: int, reservation: str, clicked: float, now: float, pause_s: float
    ) -> None:
        bearer = next(
            line for line in self._clicks[index].split(b"\r\n") if line.startswith(b"Authorization")
        )
        wire = (
            f"GET /v1/reservations/{reservation} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode()
            + bearer
            + b"\r\n\r\n"
        )

        def told(answer: Answer) -> None:
            self._looked(answer)
            state = _json(answer).get("state") if answer.status == 200 else None
            if state == "confirmed":
                self.heard.confirmed += 1
                if pause_s == WATCHER_POLL_S:
                    self.heard.confirm_ms.append((answer.answered - clicked) * 1000)
            elif state not in FINAL:
                again(answer.answered)

        def again(after: float) -> None:
            if after - clicked < POLLS_FOR_S:
                self.heard.requests += 1
                # Jittered as the SDK's are, or they would all come at the same moment.
                due = after + pause_s * self._choice.uniform(0.8, 1.2)
                self._client.plan(due, wire, told)
            elif pause_s == WATCHER_POLL_S:
                # Who never hears it waits at least that long.
                self.heard.confirm_ms.append((after - clicked) * 1000)

        again(now)
