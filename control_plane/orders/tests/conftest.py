"""Intents as the order consumer hands them over, and an allocation to land them in."""

from collections.abc import Callable, Iterator
from datetime import datetime
from hashlib import sha256
from typing import Any

import pytest
from django.db.models import Sum

from control_plane.campaigns.models import Item
from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation
from control_plane.orders.models import LedgerEntry, LedgerKind, Order
from control_plane.orders.services import Intent


@pytest.fixture
def allocation(open_epoch: Callable[..., Allocation]) -> Allocation:
    """Shard 0, epoch 1, with all ten units of the item, and armed."""
    opened = open_epoch(units=10)
    Allocation.objects.update(script_sha="a" * 40)
    opened.refresh_from_db()
    return opened


@pytest.fixture
def intent(item: Item, now: datetime) -> Callable[..., Intent]:
    """A builder: `intent("ann", key="2", qty=2, epoch=9)`; same names, same reservation."""

    def build(shopper: str, key: str = "", **fields: Any) -> Intent:
        item_id = fields.pop("item", item.pk)
        shard = fields.pop("shard", 0)
        name = sha256(f"{item_id} {shopper} {key}".encode()).hexdigest()[:22]
        return Intent(
            reservation_id=f"{item_id}-{shard}-{name}",
            item=item_id,
            shard=shard,
            shopper=shopper,
            at_ms=int(now.timestamp() * 1000) - 50,
            **({"epoch": 1, "qty": 1} | fields),
        )

    return build


@pytest.fixture
def limit(item: Item) -> Callable[[int], None]:
    """Set how many units a shopper may have."""

    def change(units: int) -> None:
        Item.objects.filter(pk=item.pk).update(limit_per_shopper=units)

    return change


@pytest.fixture(autouse=True)
def units_are_conserved(item: Item) -> Iterator[None]:
    """After every test: no unit appeared or vanished, an open allocation counts its orders."""
    yield
    books = inventory.conservation(item.pk)
    assert books.drift == 0, books
    for allocation in Allocation.objects.filter(item=item).exclude(state="closed"):
        assert allocation.consumed == _units_ordered(allocation), allocation


def _units_ordered(allocation: Allocation) -> int:
    orders = Order.objects.filter(
        item_id=allocation.item_id, shard=allocation.shard, epoch=allocation.epoch
    )
    confirmed = LedgerEntry.objects.filter(
        kind=LedgerKind.CONFIRM, order_id__in=orders.values("pk")
    )
    assert confirmed.count() == orders.count()
    units = int(orders.aggregate(units=Sum("qty"))["units"] or 0)
    assert units == (confirmed.aggregate(units=Sum("qty"))["units"] or 0)
    return units
