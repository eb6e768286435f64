"""What may be mended without a person: by services that are safe to repeat, and logged each.

Nothing here decides about a unit. A reservation that is sent again is decided by landing, a grant
that is driven again is one its shard knows or takes once.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from threading import Event
from typing import Any, NamedTuple

import redis
from confluent_kafka import KafkaException, Producer
from django.db import DatabaseError, InterfaceError, close_old_connections

from control_plane.inventory.models import Allocation, Grant, Reclaim, Source
from control_plane.inventory.services import InventoryError
from control_plane.orders.models import DatabaseIntent, Order, OrderEvent, Rejection
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
# Whose text alone says little.
_NO_WORDS = (redis.RedisError, DatabaseError, InterfaceError)
_AWAY = (*_CANNOT, *_NO_WORDS)


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

    def make(self, action: str, findings: Sequence[Finding]) -> Iterator[Done]:
        """Mend what can be mended; one Done for each finding, as soon as it is known.

        Raises nothing of the sides'.
        """
        in_batches: dict[str, Callable[[Sequence[Finding]], Iterator[Done]]] = {
            RELAY: self._relay,
            TELL: self._tell,
        }
        if action in in_batches:
            for some in _some(findings):
                yield from _tried_all(action, some, in_batches[action])
            return
        one_by_one: dict[str, Callable[[Finding], Done]] = {
            EXPIRE: self._expire,
            GRANT: self._grant,
            RECLAIM: self._reclaim,
        }
        for one in findings:
            yield _tried(action, one, one_by_one[action])

    def _relay(self, findings: Sequence[Finding]) -> Iterator[Done]:
        """To Kafka again, as the relay sent it; landing decides it once."""
        decisions = _decisions({one.reservation_id for one in findings})
        lost = []
        for finding in findings:
            if finding.reservation_id in decisions:
                yield _decided(finding, decisions, RepairOutcome.NOT_NEEDED)
            else:
                lost.append(finding)
        values = self._side.values_at(_place(one) for one in lost if one.what == "undecided")
        sent, messages = [], []
        for finding in lost:
            try:
                value = self._message(finding, values)
            except _AWAY as error:
                yield _failed(finding, RELAY, error)
                continue
            key = finding.shopper.encode()
            messages.append(kafka.Outgoing(self._names.reservations, key, value))
            sent.append(finding)
        if not sent:
            return
        problem = ""
        try:
            kafka.deliver(self._producer, messages, _bounded())
            decisions = {}
            problem = self._until_seen({one.reservation_id for one in sent}, _decisions, decisions)
        except (Unavailable, KafkaException) as error:
            # Perhaps some of them arrived: landing knows a repeat.
            problem = str(error)
        for finding in sent:
            if finding.reservation_id in decisions:
                yield _decided(finding, decisions, RepairOutcome.DONE)
            else:
                yield Done(finding, RELAY, RepairOutcome.TRIED, problem)

    def _message(self, finding: Finding, values: dict[tuple[int, int], bytes]) -> bytes:
        """What was sent, from where it stands; raises for one that is not there or another's."""
        if finding.what == "undecided":
            value = values.get(_place(finding))
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

    def _tell(self, findings: Sequence[Finding]) -> Iterator[Done]:
        """Have the courier announce the order, where it was never the courier's to announce."""
        told = []
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
                yield Done(finding, TELL, RepairOutcome.FAILED, text)
                continue
            try:
                # Landed again it gets its first answer, which is what is announced.
                tell_landed(land([_intent(order)], self._clock.now())[0])
            except _AWAY as error:
                yield _failed(finding, TELL, error)
                continue
            told.append(finding)
        seen: dict[int, Any] = {}
        problem = self._until_seen({one.order_number or 0 for one in told}, _deducted, seen)
        for one in told:
            is_seen = one.order_number in seen
            outcome = RepairOutcome.DONE if is_seen else RepairOutcome.TRIED
            yield Done(one, TELL, outcome, "" if is_seen else problem)

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

    def _until_seen(
        self, wanted: set[Any], look: Callable[[set[Any]], dict[Any, Any]], seen: dict[Any, Any]
    ) -> str:
        """Fills `seen` until all are there or the time is over; why nobody could look, or ""."""
        give_up = self._clock.monotonic() + self._seen_within_s
        while left := wanted - seen.keys():
            try:
                seen |= look(left)
            except (DatabaseError, InterfaceError) as error:
                close_old_connections()
                return f"{type(error).__name__}: {error}"
            if self._clock.monotonic() > give_up:
                break
            if wanted - seen.keys():
                time.sleep(LOOK_EVERY_S)
        return ""


def _tried(action: str, finding: Finding, make: Callable[[Finding], Done]) -> Done:
    try:
        return make(finding)
    except _AWAY as error:
        return _failed(finding, action, error)
    except (Grant.DoesNotExist, Reclaim.DoesNotExist) as error:
        return Done(finding, action, RepairOutcome.FAILED, str(error))


def _tried_all(
    action: str, findings: Sequence[Finding], make: Callable[[Sequence[Finding]], Iterator[Done]]
) -> Iterator[Done]:
    """What breaks in front of a whole batch has failed for whoever has had no answer."""
    answered: set[int] = set()
    try:
        for done in make(findings):
            answered.add(id(done.finding))
            yield done
    except _AWAY as error:
        for finding in findings:
            if id(finding) not in answered:
                yield _failed(finding, action, error)


def _failed(finding: Finding, action: str, error: Exception) -> Done:
    if isinstance(error, DatabaseError | InterfaceError):
        # The next one may find the database again.
        close_old_connections()
    text = f"{type(error).__name__}: {error}" if isinstance(error, _NO_WORDS) else str(error)
    return Done(finding, action, RepairOutcome.FAILED, text)


def _decisions(reservation_ids: set[str]) -> dict[str, str]:
    """By reservation why it was refused; "" for an order."""
    done = dict.fromkeys(decided(reservation_ids), "")
    refused = Rejection.objects.filter(reservation_id__in=done)
    return done | dict(refused.values_list("reservation_id", "reason"))


def _decided(finding: Finding, decisions: dict[str, str], outcome: RepairOutcome) -> Done:
    """Its shopper was told "yours": one that is refused now is a person's."""
    reason = decisions[finding.reservation_id]
    if reason:
        return Done(finding, RELAY, RepairOutcome.FAILED, f"rejected: {reason}")
    return Done(finding, RELAY, outcome)


def _place(finding: Finding) -> tuple[int, int]:
    partition, _, offset = finding.ref.partition("/")
    return int(partition), int(offset)


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


def _deducted(order_ids: set[Any]) -> dict[Any, Any]:
    entries = StockEntry.objects.filter(order_id__in=order_ids, kind=StockEntryKind.DEDUCT)
    return dict.fromkeys(entries.values_list("order_id", flat=True))


def _bounded() -> Event:
    """`deliver` waits for as long as Kafka is away; whoever reconciles does not."""
    import threading

    stop = Event()
    timer = threading.Timer(SEEN_WITHIN_S, stop.set)
    timer.daemon = True
    timer.start()
    return stop
