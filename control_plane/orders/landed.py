"""What a reservation asks for, what became of it, and what its allocation says about both."""

import json
from datetime import UTC, datetime
from typing import NamedTuple

# Of one allocation: item, shard, epoch.
Tag = tuple[int, int, int]


class Intent(NamedTuple):
    """What a reservation asks for. Its strings need no escaping in COPY, the caller has checked.

    `reservation_id` begins with "<item>-<shard>-": one id never names two items.
    """

    reservation_id: str
    item: int
    shard: int
    epoch: int
    shopper: str
    qty: int
    at_ms: int

    @property
    def tag(self) -> tuple[int, int]:
        """Which of the item's epochs took the units."""
        return self.shard, self.epoch


class Landed(NamedTuple):
    """What became of a reservation, once and for ever: an order, or a rejection with a reason."""

    reservation_id: str
    item: int
    shopper: str
    qty: int
    order_id: int | None
    state: str
    reason: str
    sku: str
    amount_minor: int
    currency: str
    created_at: datetime
    pay_by: datetime | None
    # Decided by this call, not by an earlier one.
    fresh: bool
    # Fresh, and confirmed with units of the pool: its epoch was closed before it came.
    late: bool

    @property
    def number(self) -> str:
        """What the shopper sees of the order, as `Order.number`."""
        return f"S{self.order_id:010d}"


class Lease(NamedTuple):
    """Of one allocation: what its orders have in common, and what they may take."""

    sku: str
    price_minor: int
    currency: str
    pay_by: datetime
    # Closed before they came: their units are the pool's.
    is_late: bool
    room: int
    limit_per_shopper: int


def read_lease(text: str) -> tuple[Tag, Lease]:
    """What a statement of landing says in JSON about one allocation, under its tag."""
    said = json.loads(text)
    lease = Lease(
        said["sku"],
        said["price_minor"],
        said["currency"],
        datetime.fromisoformat(said["pay_by"]).astimezone(UTC),
        said["closed"],
        said["room"],
        said["limit_per_shopper"],
    )
    return (said["item"], said["shard"], said["epoch"]), lease
