"""Counting one item's sale from every side: answers, Redis, the orders, the warehouse."""

from collections import Counter
from dataclasses import dataclass
from typing import cast

from django.db.models import Max, Min, Sum

from control_plane.inventory.models import Allocation
from control_plane.inventory.services import conservation
from control_plane.orders.models import LIVE_STATES, LedgerEntry, LedgerKind, Order, Rejection
from control_plane.warehouse.models import StockEntry, StockEntryKind
from workers.runtime.env import StockRedis
from workers.stock import scripts
from workers.stock.cluster import StockCluster
from workers.stock.keys import Shard


@dataclass(frozen=True)
class Books:
    """What each side says of one item; quantities are units."""

    units: int
    limit: int
    redis_avail: int
    redis_sold: int
    redis_granted: int
    buyers: dict[str, int]  # reservation id → quantity, all shards
    orders: dict[str, str]  # reservation id → shopper
    rejections: dict[str, str]  # reservation id → reason
    ordered_units: int
    units_by_shopper: Counter[str]
    ledger_units: int
    warehouse_units: int
    pool_drift: int
    landed_in_s: float

    @property
    def oversold(self) -> int:
        """Units sold that do not exist, in the orders or already in Redis."""
        return max(0, self.ordered_units - self.units) + max(0, self.redis_sold - self.units)

    @property
    def duplicates(self) -> int:
        """Units that some shopper holds beyond the limit."""
        return sum(max(0, held - self.limit) for held in self.units_by_shopper.values())

    @property
    def drifts(self) -> dict[str, int]:
        """Every equation that must be 0 when nothing is under way."""
        return {
            "pool: total − unallocated − leased − orders": self.pool_drift,
            "redis: granted − avail − sold": self.redis_granted
            - self.redis_avail
            - self.redis_sold,
            "redis sold − orders − rejected": len(
                self.buyers.keys() ^ (self.orders.keys() | self.rejections.keys())
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


def read(item_id: int, units: int, limit: int, stock: StockRedis) -> Books:
    """Read all sides now. Each is read on its own, so call it when nothing is under way."""
    shards = _shards(item_id, stock)
    orders = list(Order.objects.filter(item_id=item_id).values_list("reservation_id", "shopper"))
    live = Order.objects.filter(item_id=item_id, state__in=LIVE_STATES)
    held = Counter(dict(live.values_list("shopper").annotate(Sum("qty"))))
    span = Order.objects.filter(item_id=item_id).aggregate(Min("created_at"), Max("created_at"))
    first, last = span["created_at__min"], span["created_at__max"]
    return Books(
        units=units,
        limit=limit,
        redis_avail=sum(state[0] for state, _ in shards),
        redis_sold=sum(state[1] for state, _ in shards),
        redis_granted=sum(state[2] for state, _ in shards),
        buyers={name: qty for _, buyers in shards for name, qty in buyers.items()},
        orders=dict(orders),
        rejections=dict(
            Rejection.objects.filter(item_id=item_id).values_list("reservation_id", "reason")
        ),
        ordered_units=live.aggregate(units=Sum("qty"))["units"] or 0,
        units_by_shopper=held,
        ledger_units=_ledger_units(item_id),
        warehouse_units=_warehouse_units(item_id),
        pool_drift=conservation(item_id).drift,
        landed_in_s=(last - first).total_seconds() if first else 0.0,
    )


def _ledger_units(item_id: int) -> int:
    taken = LedgerEntry.objects.filter(item_id=item_id)
    sums = dict(taken.values_list("kind").annotate(Sum("qty")))
    return int(sums.get(LedgerKind.CONFIRM, 0)) - int(sums.get(LedgerKind.RETURN, 0))


def _warehouse_units(item_id: int) -> int:
    entries = StockEntry.objects.filter(item_id=item_id)
    sums = dict(entries.values_list("kind").annotate(Sum("qty")))
    return int(sums.get(StockEntryKind.DEDUCT, 0)) - int(sums.get(StockEntryKind.RESTORE, 0))


def _shards(item_id: int, stock: StockRedis) -> list[tuple[list[int], dict[str, int]]]:
    cluster = StockCluster(stock, "books")
    found = []
    for row in Allocation.objects.filter(item_id=item_id):
        shard = Shard(row.item_id, row.shard, row.epoch)
        keys = [shard.ctl, shard.avail, shard.buyers, shard.outbox, shard.grants]
        state = cluster.run(shard, scripts.INSPECT, keys)
        held = cast(list[bytes], cluster.node_of(shard).hvals(shard.buyers))
        pairs = [one.split("=") for value in held for one in value.decode().split(",")]
        found.append((state, {name: int(qty) for name, qty in pairs}))
    return found
