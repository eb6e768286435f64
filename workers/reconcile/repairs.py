"""What may be mended without a person: by services that are safe to repeat, and logged each.

Nothing here decides about a unit. A reservation that is sent again is decided by landing, a grant
that is driven again is one its shard knows or takes once.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from threading import Event
from typing import Any, NamedTuple

import redis
from confluent_kafka import KafkaException, Producer
from django.db import DatabaseError, InterfaceError

from control_plane.inventory.models import Allocation, Grant, Reclaim, Source
from control_plane.inventory.services import InventoryError
from control_plane.orders.models import DatabaseIntent, Order, OrderEvent
from control_plane.orders.services import (
    BadIntent,
    decided,
    end_order,
    land,
    read_intent,
    tell_landed,
)
from control_plane.reconciliation.models import Finding, RepairOutcome
from control_plane.reconciliation.rules import EXPIRE, GRANT, RECLAIM, RELAY, TELL
from control_plane.warehouse.models import StockEntry, StockEntryKind
from workers.agent.units import Units
from workers.reconcile.kafka_side import KafkaSide
from workers.runtime import kafka
from workers.runtime.clock import Clock
from workers.runtime.verdicts import InvalidMessage, Unavailable
from workers.stock import shard as shards
from workers.stock.cluster import ShardFenced, StockClusters, is_refusal
from workers.stock.outbox import lines_of, request_of
from workers.stock.sale_items import shard_of

# How long what was sent has until it is seen where it belongs.
SEEN_WITHIN_S = 30.0
LOOK_EVERY_S = 0.2
# Reservations in one call of `deliver`, and in one look.
BATCH = 500

# What may keep one repair from being made, and no other.
_CANNOT = (Unavailable, ShardFenced, InventoryError, InvalidMessage, BadIntent, LookupError)


class Done(NamedTuple):
    """What became of one finding."""

    finding: Finding
    action: str
    outcome: RepairOutcome
    text: str = ""


class Repairs:
    """For one thread. Each call is about findings of one action."""

    def __init__(
        self,
        clusters: StockClusters,
        side: KafkaSide,
        producer: Producer,
        names: kafka.Names,
        clock: Clock,
        seen_within_s: float = SEEN_WITHIN_S,
    ) -> None:
        self._clusters = clusters
        self._side = side
        self._producer = producer
        self._names = names
        self._clock = clock
        self._seen_within_s = seen_within_s

    def make(self, action: str, findings: Sequence[Finding]) -> list[Done]:
        """Mend what can be mended; one Done for each finding. Raises nothing of the sides'."""
        if action == RELAY:
            return [one for some in _some(findings) for one in self._relay(some)]
        if action == TELL:
            return [one for some in _some(findings) for one in self._tell(some)]
        one_by_one: dict[str, Callable[[Finding], Done]] = {
            EXPIRE: self._expire,
            GRANT: self._grant,
            RECLAIM: self._reclaim,
        }
        return [_tried(action, one, one_by_one[action]) for one in findings]

    def _relay(self, findings: Sequence[Finding]) -> list[Done]:
        """To Kafka again, as the relay sent it; landing decides it once."""
        done, sent = [], []
        known = decided([one.reservation_id for one in findings])
        messages = []
        for finding in findings:
            if finding.reservation_id in known:
                done.append(Done(finding, RELAY, RepairOutcome.NOT_NEEDED))
                continue
            try:
                value = self._message(finding)
            except _CANNOT as error:
                done.append(Done(finding, RELAY, RepairOutcome.FAILED, str(error)))
                continue
            key = finding.shopper.encode()
            messages.append(kafka.Outgoing(self._names.reservations, key, value))
            sent.append(finding)
        try:
            kafka.deliver(self._producer, messages, _bounded())
        except (Unavailable, KafkaException) as error:
            # Perhaps some of them arrived: landing knows a repeat.
            return done + [Done(one, RELAY, RepairOutcome.TRIED, str(error)) for one in sent]
        seen = self._until_seen(
            {one.reservation_id for one in sent}, lambda waiting: decided(list(waiting))
        )
        return done + [_seen(one, RELAY, one.reservation_id in seen) for one in sent]

    def _message(self, finding: Finding) -> bytes:
        """What was sent, from where it stands; raises for one that is not there or another's."""
        if finding.what == "undecided":
            partition, _, offset = finding.ref.partition("/")
            value = self._side.value_at(int(partition), int(offset))
        else:
            value = self._from_outbox(finding)
        if read_intent(value).reservation_id != finding.reservation_id:
            raise LookupError("another reservation stands there")
        assert value is not None
        return value

    def _from_outbox(self, finding: Finding) -> bytes | None:
        allocation = _allocation(finding)
        if allocation.source == Source.DATABASE:
            row = DatabaseIntent.objects.filter(pk=int(finding.ref)).first()
            return None if row is None else str(row.value).encode()
        shard = shard_of(allocation)
        cluster = self._clusters.of(shard)
        node = cluster.node_of(shard)
        try:
            entries: Any = node.xrange(shard.outbox, min=finding.ref, max=finding.ref)
        except redis.RedisError as error:
            if is_refusal(error):
                return None
            raise cluster.failed(error, node) from error
        for _, fields in entries:
            for line in lines_of(fields):
                request = request_of(shard, line)
                if request.reservation_id == finding.reservation_id:
                    return request.value.encode()
        return None

    def _tell(self, findings: Sequence[Finding]) -> list[Done]:
        """Have the courier announce the order, where it was never the courier's to announce."""
        done, told = [], []
        pks = [one.order_number for one in findings]
        before = set(
            OrderEvent.objects.filter(order_id__in=pks, type="order.created").values_list(
                "order_id", flat=True
            )
        )
        orders = Order.objects.in_bulk([pk for pk in pks if pk is not None])
        for finding in findings:
            order = orders.get(finding.order_number or 0)
            if order is None or order.pk in before:
                text = "the courier has sent it before; somebody must look at order-events"
                done.append(Done(finding, TELL, RepairOutcome.FAILED, text))
                continue
            # Landed again it gets its first answer, which is what is announced.
            tell_landed(land([_intent(order)], self._clock.now())[0])
            told.append(finding)
        seen = self._until_seen({one.order_number or 0 for one in told}, _deducted)
        return done + [_seen(one, TELL, one.order_number in seen) for one in told]

    def _expire(self, finding: Finding) -> Done:
        """The clock's own step, for one order."""
        assert finding.order_number is not None
        if end_order(finding.order_number, "expired", self._clock.now()):
            return Done(finding, EXPIRE, RepairOutcome.DONE)
        return Done(finding, EXPIRE, RepairOutcome.NOT_NEEDED, "paid or ended meanwhile")

    def _grant(self, finding: Finding) -> Done:
        """The shard takes the units once, by the grant's id; a fenced one takes none."""
        grant = Grant.objects.select_related("allocation").get(pk=uuid.UUID(finding.ref))
        shard = shard_of(grant.allocation)
        if grant.applied_at is None:
            Units(self._clusters).apply_grants(grant.allocation_id, shard)
            return Done(finding, GRANT, RepairOutcome.DONE)
        shards.grant(self._clusters.of(shard), shard, grant.pk, grant.qty)
        return Done(finding, GRANT, RepairOutcome.DONE)

    def _reclaim(self, finding: Finding) -> Done:
        """The script gives its first answer, and PostgreSQL takes it once."""
        reclaim = Reclaim.objects.select_related("allocation").get(pk=uuid.UUID(finding.ref))
        if reclaim.taken is not None:
            return Done(finding, RECLAIM, RepairOutcome.NOT_NEEDED)
        moved = Units(self._clusters).settle(reclaim)
        return Done(finding, RECLAIM, RepairOutcome.DONE, f"{moved} units")

    def _until_seen(self, wanted: set[Any], look: Callable[[set[Any]], set[Any]]) -> set[Any]:
        """Those that are where they belong, as soon as all are, or when the time is over."""
        seen: set[Any] = set()
        give_up = self._clock.monotonic() + self._seen_within_s
        while wanted - seen:
            seen |= look(wanted - seen)
            if self._clock.monotonic() > give_up:
                break
            if wanted - seen:
                time.sleep(LOOK_EVERY_S)
        return seen


def _tried(action: str, finding: Finding, make: Callable[[Finding], Done]) -> Done:
    try:
        return make(finding)
    except (*_CANNOT, redis.RedisError, DatabaseError, InterfaceError) as error:
        return Done(finding, action, RepairOutcome.FAILED, f"{type(error).__name__}: {error}")
    except (Grant.DoesNotExist, Reclaim.DoesNotExist) as error:
        return Done(finding, action, RepairOutcome.FAILED, str(error))


def _seen(finding: Finding, action: str, is_seen: bool) -> Done:
    return Done(finding, action, RepairOutcome.DONE if is_seen else RepairOutcome.TRIED)


def _some(findings: Sequence[Finding]) -> list[Sequence[Finding]]:
    return [findings[at : at + BATCH] for at in range(0, len(findings), BATCH)]


def _allocation(finding: Finding) -> Allocation:
    place = {"item_id": finding.item_number, "shard": finding.shard, "epoch": finding.epoch}
    allocation = Allocation.objects.filter(**place).first()
    if allocation is None:
        raise LookupError("its epoch is unknown")
    return allocation


def _intent(order: Order) -> Any:
    from control_plane.orders.services import Intent

    return Intent(
        *(order.reservation_id, order.item_id, order.shard, order.epoch, order.shopper, order.qty),
        int(order.reserved_at.timestamp() * 1000),
    )


def _deducted(order_ids: set[Any]) -> set[Any]:
    entries = StockEntry.objects.filter(order_id__in=order_ids, kind=StockEntryKind.DEDUCT)
    return set(entries.values_list("order_id", flat=True))


def _bounded() -> Event:
    """`deliver` waits for as long as Kafka is away; whoever reconciles does not."""
    import threading

    stop = Event()
    timer = threading.Timer(SEEN_WITHIN_S, stop.set)
    timer.daemon = True
    timer.start()
    return stop
