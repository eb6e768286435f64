"""Dead letters of an item that is on sale, and a database that refuses what it is told to."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from control_plane.campaigns.models import Item
from control_plane.dead_letters.models import DeadLetter, Source
from control_plane.dead_letters.services import Letter, keep, retry_due
from control_plane.dead_letters.tests.refusing import orders_refused
from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation
from control_plane.orders import projection


def message(item: int, shopper: str, **changed: Any) -> bytes:
    """An intent as the gateway writes it; same shopper, same reservation."""
    name = sha256(f"{item} {shopper}".encode()).hexdigest()[:22]
    fields = {
        "v": 1,
        "reservation_id": f"{item}-0-{name}",
        "item": item,
        "shard": 0,
        "epoch": 1,
        "shopper": shopper,
        "qty": 1,
        "device": "d" * 22,
        "level": "regular",
        "at_ms": 1_795_348_800_000,
    }
    return json.dumps(fields | changed, separators=(",", ":")).encode()


@pytest.fixture
def statuses(monkeypatch: Any) -> list[Any]:
    """What shoppers would be shown, in the order in which it was written."""
    written: list[Any] = []
    monkeypatch.setattr(projection, "_work_redis", lambda: None)
    monkeypatch.setattr(projection, "write", lambda work_redis, some: written.extend(some))
    return written


@pytest.fixture
def allocation(open_epoch: Callable[..., Allocation]) -> Allocation:
    """Shard 0, epoch 1, with all ten units of the item."""
    return open_epoch(units=10)


@pytest.fixture(autouse=True)
def units_are_conserved(item: Item) -> Iterator[None]:
    """After every test."""
    yield
    assert inventory.conservation(item.pk).drift == 0


@pytest.fixture
def letter(
    transactional_db: None, item: Item, now: datetime, statuses: list[Any]
) -> Callable[..., DeadLetter]:
    """A builder: ann's reservation, refused by the database; anything may be said otherwise."""
    offsets = iter(range(100))

    def build(shopper: str = "ann", **said: Any) -> DeadLetter:
        offset = next(offsets)
        kept = Letter(
            source=Source.RESERVATIONS,
            source_name="reservations",
            topic="reservations",
            partition=3,
            offset=offset,
            payload=message(item.pk, shopper),
            error_kind="refused",
            error="the trigger says no",
        )._replace(**said)
        keep([kept], now)
        return DeadLetter.objects.get(topic=kept.topic, offset=kept.offset)

    return build


@pytest.fixture
def attempt(now: datetime) -> Callable[[float], Any]:
    """One attempt, so many minutes after the letters came."""
    return lambda minutes: retry_due(now + timedelta(minutes=minutes))


@pytest.fixture
def refusing() -> Callable[[str], AbstractContextManager[None]]:
    """A context in which the database refuses orders of this shopper ("%" of everybody)."""

    return orders_refused
