"""What operators and marketers do mid-sale, by the services behind their commands and pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.drill.drill import DrillBroken
from tests.drill.sale import Sale

REASON = "drill"


def top_up(sale: Sale, units: int) -> None:
    """A marketer adds units."""
    with _services() as inventory:
        inventory.top_up(sale.item, units, REASON, None)


def withdraw(sale: Sale, units: int) -> None:
    """A marketer takes units away; what shards hold follows later."""
    with _services() as inventory:
        inventory.withdraw(sale.item, units, REASON, None)


def rearm(sale: Sale, shard: int, mode: str) -> None:
    """An operator ends the shard's epoch."""
    [(allocation,)] = sale.books.query(
        "SELECT id FROM inventory_allocation WHERE item_id = %s AND shard = %s"
        " AND state = 'selling'",
        sale.item,
        shard,
    )
    with _services() as inventory:
        inventory.begin_rearm(allocation, mode, REASON)


def switch_source(source: str) -> None:
    """An operator sends every sale elsewhere, planned."""
    with _services() as inventory:
        inventory.switch_source(source, reason=REASON, by=None)


@contextmanager
def _services() -> Iterator[Any]:
    """Imported late: they need Django's settings."""
    from control_plane.inventory import services

    try:
        yield services
    except services.InventoryError as error:
        raise DrillBroken(repr(error)) from error
