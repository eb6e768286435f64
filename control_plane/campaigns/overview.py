"""How a campaign that was approved stands: its items with their units, and whether they sell."""

from dataclasses import dataclass
from datetime import datetime

from control_plane.campaigns.models import Campaign, Item
from control_plane.inventory import services as inventory
from control_plane.inventory.models import Pool
from control_plane.pages.render import price
from control_plane.switches import services as switches


@dataclass(frozen=True)
class ItemRow:
    """One item; `sells` is what the switches say for it, whichever scope says so."""

    item: Item
    price: str
    total: int
    sold: int
    left: int
    waiting: int
    sells: bool
    is_paused: bool

    @property
    def percent(self) -> int:
        """Of its units those that are in orders."""
        return min(100, 100 * self.sold // self.total) if self.total else 0


def overview(campaign: Campaign, now: datetime) -> list[ItemRow]:
    """A row for each item. Reads only; a fixed number of queries, but one more for withdrawals."""
    pools = inventory.with_terms(Pool.objects.filter(item__campaign=campaign))
    values = switches.effective(now)
    alone = set(
        switches.in_force(now)
        .filter(name="sale_enabled", value=False, item__campaign=campaign)
        .values_list("item", flat=True)
    )
    rows = []
    for pool in pools.select_related("item").order_by("pk"):
        books, item = inventory.Conservation.of(pool), pool.item
        rows.append(
            ItemRow(
                item=item,
                price=price(item.price_minor, item.currency),
                total=books.total,
                sold=books.live_orders,
                left=books.unallocated + books.open_leftover,
                waiting=inventory.waiting_units(item.pk),
                sells=bool(values.of(campaign.pk, item.pk)["sale_enabled"]),
                is_paused=item.pk in alone,
            )
        )
    return rows
