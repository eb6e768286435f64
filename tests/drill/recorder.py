"""What every simulated shopper was answered, and when."""

import base64
import json
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from zlib import crc32

from tests.drill.judge import Promise

# The gateway did not take the purchase, or does not know: not a promise and not a "no".
REFUSED = frozenset({"busy", "pending", "connection"})


@dataclass(frozen=True)
class Heard:
    """One answer. Times are time.monotonic()."""

    asked: float
    answered: float
    shopper: str
    shard: int
    what: str  # buy, status, repeat, other key
    outcome: str
    reservation_id: str = ""
    qty: int = 0
    gateway: str = ""


def home_of(shopper: str, shards: int) -> int:
    """The shard that sells to this shopper (DESIGN §5)."""
    return crc32(shopper.encode()) % shards


class Recorder:
    """Written by the crowd's thread, read by the drill's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heard: list[Heard] = []
        self._promised: dict[str, Promise] = {}
        self._confirmed: set[str] = set()
        self._wrong: list[str] = []
        self._places: dict[tuple[int, int], str] = {}

    def note(self, heard: Heard) -> None:
        """One answer, the newest; a RESERVED, or a status that says as much, is a promise."""
        with self._lock:
            self._heard.append(heard)
            if heard.outcome not in ("reserved", "confirmed"):
                return
            if heard.outcome == "confirmed":
                self._confirmed.add(heard.reservation_id)
            promise = Promise(
                heard.reservation_id, heard.shopper, heard.qty, heard.shard, heard.answered
            )
            before = self._promised.setdefault(heard.reservation_id, promise)
            if before != promise:
                self._wrong.append(f"{heard.reservation_id}: {before} became {promise}")

    def note_ticket(self, shopper: str, ticket: str) -> None:
        """A place in the queue, which nobody else may have."""
        payload = ticket.split(".")[1]
        said = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        place = (said["bucket"], said["number"])
        with self._lock:
            holder = self._places.setdefault(place, shopper)
            if holder != shopper:
                self._wrong.append(f"place {place} is {holder}'s and {shopper}'s")

    def wrong(self, what: str) -> None:
        """An answer that must not be."""
        with self._lock:
            self._wrong.append(what)

    @property
    def complaints(self) -> list[str]:
        """Answers that must not be; the first ones, and how many there are."""
        with self._lock:
            if not self._wrong:
                return []
            return [f"answered wrongly {len(self._wrong)} times: {self._wrong[0]}"]

    @property
    def promises(self) -> list[Promise]:
        """Every reservation that was answered RESERVED."""
        with self._lock:
            return list(self._promised.values())

    @property
    def told_confirmed(self) -> frozenset[str]:
        """Reservations whose shopper was told that there is an order."""
        with self._lock:
            return frozenset(self._confirmed)

    def heard(self, since: float = 0.0, until: float = float("inf")) -> list[Heard]:
        """Answers to what was asked in this span."""
        with self._lock:
            # They stand as they were answered, and nothing is answered before it is asked.
            first = bisect_left(self._heard, since, key=lambda one: one.answered)
            return [one for one in self._heard[first:] if since <= one.asked <= until]

    def outcomes(self) -> Counter[str]:
        """How often each outcome was answered to a purchase."""
        return Counter(one.outcome for one in self.heard() if one.what != "status")

    def reserved(self, shards: Iterable[int], since: float) -> list[Heard]:
        """First answers RESERVED of these shards to purchases clicked since then."""
        wanted = set(shards)
        return [
            one
            for one in self.heard(since)
            if one.what == "buy" and one.outcome == "reserved" and one.shard in wanted
        ]

    def refused(self, shards: Iterable[int], since: float, until: float) -> list[Heard]:
        """Purchases of these shards that were neither taken nor refused for a reason."""
        wanted = set(shards)
        return [
            one
            for one in self.heard(since, until)
            if one.what == "buy" and one.outcome in REFUSED and one.shard in wanted
        ]
