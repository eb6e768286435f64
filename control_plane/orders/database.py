"""Reservations that PostgreSQL takes itself, while it is the stock source (DESIGN §5).

Answers as `lua/reserve.lua`, and each one leaves an intent that goes the same way through Kafka: a
database epoch's leftover is exactly its undecided intents.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F, QuerySet, Sum
from django.utils import timezone

from control_plane.campaigns.models import CampaignState, Item
from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation, AllocationState, Pool, Source
from control_plane.orders.models import (
    LIVE_STATES,
    DatabaseIntent,
    Order,
    Rejection,
    RelayedTopic,
)

REQUESTS_MAX = 256
# A shopper waits for this.
LIMITS = "SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '5s'"

_UNITS_OF = """
SELECT shopper, sum(qty) FROM (
    SELECT shopper, qty FROM orders_order ours
     WHERE item_id = %(item)s AND shopper = ANY(%(shoppers)s)
       AND (state IN ('unpaid', 'paid')
         OR state = 'expired'
        AND NOT EXISTS (SELECT FROM orders_order successor WHERE successor.replaces_id = ours.id)
        AND NOT (SELECT campaign.buys_again
                   FROM campaigns_item item
                   JOIN campaigns_campaign campaign ON campaign.id = item.campaign_id
                  WHERE item.id = %(item)s))
    UNION ALL
    SELECT shopper, qty FROM orders_databaseintent intent
     WHERE item_id = %(item)s AND shopper = ANY(%(shoppers)s)
       AND NOT EXISTS (SELECT FROM orders_order known
                        WHERE known.reservation_id = intent.reservation_id)
       AND NOT EXISTS (SELECT FROM orders_rejection known
                        WHERE known.reservation_id = intent.reservation_id)
) held GROUP BY shopper
"""
# What was decided holds nothing any more, in any table.
_FORGET = """
DELETE FROM orders_databaseintent intent
 WHERE relayed_at IS NOT NULL
   AND (EXISTS (SELECT FROM orders_order known
                 WHERE known.reservation_id = intent.reservation_id)
     OR EXISTS (SELECT FROM orders_rejection known
                 WHERE known.reservation_id = intent.reservation_id))
"""


class EpochNotSelling(Exception):
    """(item, shard, epoch) is no database epoch that sells now."""


class PerhapsHeld(Exception):
    """PostgreSQL does not know it, but an old epoch of its shard is open: nobody can say no."""


class NotTaken(Exception):
    """The database did nothing of it."""


class Request(NamedTuple):
    """One shopper's wish; `value` is its message of topic `reservations`.

    `trace` is "trace-span" of a purchase that is followed, "" of all others.
    """

    shopper: str
    reservation_id: str
    qty: int
    value: str
    trace: str = ""


def reserve(
    item_id: int, shard: int, epoch: int, requests: Sequence[Request], now: datetime
) -> tuple[str, str]:
    """Take units for a batch of shoppers, in order, and commit. Blocking.

    Returns (codes, again) as reserve.lua: one of R A L S P E a request, and the stored quantity of
    each A joined by ",". Repeat safe: a known reservation is A and takes nothing. Raises
    EpochNotSelling; NotTaken when the database cannot do it now; Django's errors when it may or
    may not have done it.
    """
    decided = False
    try:
        with transaction.atomic(durable=True):
            answer = _reserve(item_id, shard, epoch, requests, now)
            decided = True
    except (InterfaceError, OperationalError) as error:
        if decided:
            raise
        raise NotTaken(str(error)) from error
    return answer


def _reserve(
    item_id: int, shard: int, epoch: int, requests: Sequence[Request], now: datetime
) -> tuple[str, str]:
    """`reserve`, inside its transaction."""
    with connection.cursor() as cursor:
        cursor.execute(LIMITS)
    try:
        pool = inventory.lock_pool(item_id)
    except inventory.NoPool as error:
        raise EpochNotSelling(item_id, shard, epoch) from error
    allocation, limit = _lock_epoch(item_id, shard, epoch, now)
    batch = _Batch(pool, limit, requests)
    codes = "".join(batch.decide(request) for request in requests)
    if batch.intents:
        _take(allocation, pool, batch.taken)
        DatabaseIntent.objects.bulk_create(
            DatabaseIntent(
                reservation_id=request.reservation_id,
                item_id=item_id,
                shard=shard,
                epoch=epoch,
                shopper=request.shopper,
                qty=request.qty,
                value=request.value,
                created_at=now,
            )
            for request in batch.intents
        )
    return codes, ",".join(map(str, batch.again))


def held_quantity(reservation_id: str, shopper: str) -> int | None:
    """What still counts of a reservation of this shopper; None when there is no such reservation.

    Raises PerhapsHeld while it may still come from the outbox of an old epoch.
    """
    may_come = _old_epochs_of(reservation_id).exists()
    qty = _known([reservation_id], shopper).get(reservation_id)
    if qty is None and may_come:
        raise PerhapsHeld(reservation_id)
    return qty


def database_intents(limit: int) -> list[DatabaseIntent]:
    """Reservations that Kafka may not have yet, oldest first."""
    return list(DatabaseIntent.objects.filter(relayed_at=None).order_by("pk")[:limit])


def mark_relayed(ids: Iterable[int]) -> int:
    """Kafka has them; returns how many it had not before. Idempotent."""
    waiting = DatabaseIntent.objects.filter(pk__in=list(ids), relayed_at=None)
    return waiting.update(relayed_at=timezone.now())


def relay_again() -> int:
    """Kafka has lost them: all that it had and that are not decided; returns how many."""
    forget_decided_intents()
    return DatabaseIntent.objects.exclude(relayed_at=None).update(relayed_at=None)


def relayed_topic(name: str) -> str | None:
    """The id of the topic that the relays have filled under this name, None for none yet."""
    return RelayedTopic.objects.filter(pk=name).values_list("topic_id", flat=True).first()


def note_relayed_topic(name: str, topic_id: str) -> None:
    """From now on it is this one."""
    values = {"topic_id": topic_id, "since": timezone.now()}
    RelayedTopic.objects.update_or_create(pk=name, defaults=values)


def is_database_drained(allocation_id: int) -> bool:
    """Everything that this database epoch reserved is in Kafka.

    Final once it sells no more, unless the topic is lost (`relay_again`): before an epoch is closed
    somebody looks at what is decided.
    """
    ours = Allocation.objects.get(pk=allocation_id)
    waiting = DatabaseIntent.objects.filter(
        item_id=ours.item_id, shard=ours.shard, epoch=ours.epoch, relayed_at=None
    )
    return not waiting.exists()


def forget_decided_intents() -> int:
    """Delete intents that Kafka has and that are decided; returns how many. Idempotent."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGET)
        return int(cursor.rowcount)


class _Batch:
    """Decides request after request, by what was there and what this batch has taken before."""

    def __init__(self, pool: Pool, limit: int, requests: Sequence[Request]) -> None:
        self._limit = limit
        # Withdrawals that wait for units come first.
        self._free = max(pool.unallocated - inventory.waiting_units(pool.pk), 0)
        self._known = _known([request.reservation_id for request in requests])
        self._units = units_of(pool.pk, {request.shopper for request in requests})
        self._elsewhere = _units_elsewhere(pool.pk)
        self.taken = 0
        self.again: list[int] = []
        self.intents: list[Request] = []

    def decide(self, request: Request) -> str:
        """The code of one request."""
        known = self._known.get(request.reservation_id)
        if known is not None:
            self.again.append(known)
            return "A"
        units = self._units.get(request.shopper, 0)
        if units + request.qty > self._limit:
            return "L"
        if request.qty > self._free:
            if self._elsewhere:
                return "E"
            return "P" if self._free else "S"
        self._free -= request.qty
        self.taken += request.qty
        self._known[request.reservation_id] = request.qty
        self._units[request.shopper] = units + request.qty
        self.intents.append(request)
        return "R"


def _lock_epoch(item_id: int, shard: int, epoch: int, now: datetime) -> tuple[Allocation, int]:
    """The allocation, locked, and the item's limit; under the pool's lock. EpochNotSelling."""
    allocation = (
        Allocation.objects.select_for_update(no_key=True)
        .filter(
            item_id=item_id,
            shard=shard,
            epoch=epoch,
            source=Source.DATABASE,
            state=AllocationState.SELLING,
        )
        .first()
    )
    on_sale = Item.objects.filter(
        pk=item_id,
        campaign__state__in=[CampaignState.APPROVED, CampaignState.LIVE],
        # By the clock: the state follows it within a second.
        campaign__starts_at__lte=now,
        campaign__ends_at__gt=now,
    )
    limit = on_sale.values_list("limit_per_shopper", flat=True).first()
    if allocation is None or limit is None:
        raise EpochNotSelling(item_id, shard, epoch)
    return allocation, limit


def _take(allocation: Allocation, pool: Pool, qty: int) -> None:
    """Pool → allocation, both locked."""
    Pool.objects.filter(pk=pool.pk).update(unallocated=F("unallocated") - qty)
    Allocation.objects.filter(pk=allocation.pk).update(granted=F("granted") + qty)


def _known(reservation_ids: list[str], shopper: str | None = None) -> dict[str, int]:
    """What still counts of each reservation that PostgreSQL knows; ended ones stay known with 0."""
    wanted = {"reservation_id__in": reservation_ids}
    if shopper is not None:
        wanted["shopper"] = shopper  # type: ignore[assignment]
    known = dict(DatabaseIntent.objects.filter(**wanted).values_list("reservation_id", "qty"))
    # A decision counts more than the intent it was made of.
    for reservation_id in Rejection.objects.filter(**wanted).values_list(
        "reservation_id", flat=True
    ):
        known[reservation_id] = 0
    orders = Order.objects.filter(**wanted).values_list("reservation_id", "qty", "state")
    for reservation_id, qty, state in orders:
        known[reservation_id] = qty if state in LIVE_STATES else 0
    return known


def _old_epochs_of(reservation_id: str) -> QuerySet[Allocation]:
    """Of the shard that the id begins with ("<item>-<shard>-")."""
    item, shard, *_ = [*reservation_id.split("-"), "", ""]
    if not (item.isdecimal() and shard.isdecimal() and len(item) < 19 and len(shard) < 5):
        return Allocation.objects.none()
    return Allocation.objects.filter(
        item_id=int(item), shard=int(shard), state=AllocationState.DRAINING
    )


def units_of(item_id: int, shoppers: set[str]) -> dict[str, int]:
    """What counts against each shopper's limit. Final while the item's pool is locked."""
    with connection.cursor() as cursor:
        cursor.execute(_UNITS_OF, {"item": item_id, "shoppers": list(shoppers)})
        return {shopper: int(units) for shopper, units in cursor.fetchall()}


def _units_elsewhere(item_id: int) -> int:
    """What shards of Redis may still give back; every unit of a database epoch is reserved."""
    unfinished = Allocation.objects.filter(item_id=item_id).exclude(state=AllocationState.CLOSED)
    of_shards = unfinished.exclude(source=Source.DATABASE)
    return of_shards.aggregate(units=Sum(F("granted") - F("consumed")))["units"] or 0
