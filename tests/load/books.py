"""Counting one item's sale from every side: answers, Redis, the orders, the warehouse."""

from collections import Counter
from dataclasses import dataclass

from django.db.models import Max, Min, Sum

from control_plane.inventory.models import Allocation, Source
from control_plane.inventory.services import conservation
from control_plane.orders.models import LIVE_STATES, LedgerEntry, LedgerKind, Order, Rejection
from control_plane.warehouse.models import StockEntry, StockEntryKind
from workers.stock import shard as shards
from workers.stock.cluster import StockClusters
from workers.stock.keys import Shard


@dataclass(frozen=True)
class Books:
    """What each side says of one item; quantities are units."""

    units: int
    limit: int
    redis_avail: int
    redis_sold: int
    redis_granted: int  # less what was reclaimed
    buyers: dict[str, int]  # reservation id → quantity, all epochs in a stock Redis
    orders: dict[str, str]  # reservation id → shopper
    from_database: set[str]  # reservations of orders that no stock Redis has seen
    rejections: dict[str, str]  # reservation id → reason
    ordered_units: int
    returned_units: int  # of orders that ended, and of refused reservations: they are sold again
    units_by_shopper: Counter[str]
    ledger_units: int
    warehouse_units: int
    pool_drift: int
    landed_in_s: float

    @property
    def oversold(self) -> int:
        """Units sold that do not exist, in the orders or already in Redis."""
        sold_once = self.redis_sold - self.returned_units
        return max(0, self.ordered_units - self.units) + max(0, sold_once - self.units)

    @property
    def duplicates(self) -> int:
        """Units that some shopper holds beyond the limit."""
        return sum(max(0, held - self.limit) for held in self.units_by_shopper.values())

    @property
    def drifts(self) -> dict[str, int]:
        """Every equation that must be 0 when nothing is under way."""
        return {
            "pool: total − unallocated − leased − orders": self.pool_drift,
            "redis: granted − reclaimed − avail − sold": self.redis_granted
            - self.redis_avail
            - self.redis_sold,
            "redis sold − orders − rejected": len(
                self.buyers.keys()
                ^ ((self.orders.keys() | self.rejections.keys()) - self.from_database)
            ),
            "orders − ledger": self.ordered_units - self.ledger_units,
            "orders − warehouse": self.ordered_units - self.warehouse_units,
        }

    def lost(self, reserved: dict[str, str]) -> list[str]:
        """Reservations answered that are neither an order of that shopper nor a rejection."""
        return [
            reservation
            for reservation, shopper in reserved.items()
            if self.orders.get(reservation) != shopper and reservation not in self.rejections
        ]


def read(item_id: int, units: int, limit: int, stock: StockClusters) -> Books:
    """Read all sides now. Each is read on its own, so call it when nothing is under way."""
    armed, by_database = _epochs(item_id)
    states = [shards.inspect(stock.of(shard), shard) for shard in armed]
    orders = list(Order.objects.filter(item_id=item_id).values_list("reservation_id", "shopper"))
    rejected = Rejection.objects.filter(item_id=item_id)
    live = Order.objects.filter(item_id=item_id, state__in=LIVE_STATES)
    held = Counter(dict(live.values_list("shopper").annotate(Sum("qty"))))
    span = Order.objects.filter(item_id=item_id).aggregate(Min("created_at"), Max("created_at"))
    first, last = span["created_at__min"], span["created_at__max"]
    return Books(
        units=units,
        limit=limit,
        redis_avail=sum(state.avail for state in states),
        redis_sold=sum(state.sold for state in states),
        redis_granted=sum(state.granted - state.reclaimed for state in states),
        buyers={
            reservation: qty
            for shard in armed
            for page in shards.buyers_of(stock.of(shard), shard)
            for _, reservation, qty in page
        },
        orders=dict(orders),
        from_database={
            reservation
            for kind in (Order, Rejection)
            for reservation, shard, epoch in kind.objects.filter(item_id=item_id).values_list(
                "reservation_id", "shard", "epoch"
            )
            if (shard, epoch) in by_database
        },
        rejections=dict(rejected.values_list("reservation_id", "reason")),
        ordered_units=live.aggregate(units=Sum("qty"))["units"] or 0,
        returned_units=_ledger_units(item_id, LedgerKind.RETURN)
        + (rejected.aggregate(units=Sum("qty"))["units"] or 0),
        units_by_shopper=held,
        ledger_units=_ledger_units(item_id, LedgerKind.CONFIRM)
        - _ledger_units(item_id, LedgerKind.RETURN),
        warehouse_units=_warehouse_units(item_id),
        pool_drift=conservation(item_id).drift,
        landed_in_s=(last - first).total_seconds() if first else 0.0,
    )


def _ledger_units(item_id: int, kind: LedgerKind) -> int:
    entries = LedgerEntry.objects.filter(item_id=item_id, kind=kind)
    return int(entries.aggregate(units=Sum("qty"))["units"] or 0)


def _warehouse_units(item_id: int) -> int:
    entries = StockEntry.objects.filter(item_id=item_id)
    sums = dict(entries.values_list("kind").annotate(Sum("qty")))
    return int(sums.get(StockEntryKind.DEDUCT, 0)) - int(sums.get(StockEntryKind.RESTORE, 0))


def _epochs(item_id: int) -> tuple[list[Shard], set[tuple[int, int]]]:
    """The epochs that were armed in a stock Redis, and (shard, epoch) of those in PostgreSQL."""
    armed, by_database = [], set()
    for row in Allocation.objects.filter(item_id=item_id):
        if row.source == Source.DATABASE:
            by_database.add((row.shard, row.epoch))
        elif row.script_sha:
            armed.append(Shard(row.item_id, row.shard, row.epoch, row.source))
    return armed, by_database
