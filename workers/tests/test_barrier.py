"""Barriers, and reservations that come when their epoch is closed."""

import json
import uuid

import pytest
from django.db import connections
from prometheus_client import REGISTRY

from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation, BarrierSeen, Pool
from control_plane.orders.models import Order, Rejection
from tests.redis.waiting import until
from workers import barrier
from workers.tests.consuming import all_committed, reserve, waiting_for_a_lock
from workers.tests.messages import intent, reservation_id
from workers.tests.selling import close

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("allocation")]


def _barrier(item, rearm_id, epoch=1):
    return barrier.encode(rearm_id, item.pk, 0, epoch)


def _seen(rearm_id):
    pairs = BarrierSeen.objects.filter(rearm_id=rearm_id)
    return sorted(pairs.values_list("partition", flat=True))


def test_a_barrier_is_seen_in_every_partition_behind_what_stands_before_it(consume, broker, item):
    rearm_id = uuid.uuid4()
    reserve(broker, item, [f"shopper-{n}" for n in range(40)])
    for partition in range(8):
        broker.put(broker.names.reservations, [(None, _barrier(item, rearm_id))], partition)
    with consume():
        all_committed(broker, 48)
    assert _seen(rearm_id) == list(range(8))
    assert Order.objects.count() == 40
    # A barrier is nobody's reservation: it is told to nobody.
    assert len(broker.read(broker.names.order_events)) == 40
    assert broker.read(broker.names.dead_letters) == []


def test_a_barrier_read_again_is_seen_once(consume, broker, item):
    rearm_id = uuid.uuid4()
    for _ in range(2):
        broker.put(broker.names.reservations, [(None, _barrier(item, rearm_id))], 3)
    with consume():
        all_committed(broker, 2)
    assert _seen(rearm_id) == [3]


def test_a_barrier_is_not_seen_before_what_stands_before_it_is_committed(consume, broker, item):
    """One transaction: while the reservation waits for the item's lock nobody sees the barrier."""
    rearm_id = uuid.uuid4()
    broker.put(broker.names.reservations, [("ann", intent(item.pk, "ann"))], 5)
    broker.put(broker.names.reservations, [(None, _barrier(item, rearm_id))], 5)
    holder, observer = (connections.create_connection("default") for _ in range(2))
    try:
        holder.set_autocommit(False)
        with holder.cursor() as cursor:
            cursor.execute("SELECT FROM inventory_pool FOR UPDATE")
        with consume():
            until(lambda: waiting_for_a_lock(observer), "the consumer waits")
            assert _seen(rearm_id) == []
            holder.rollback()
            all_committed(broker, 2)
    finally:
        holder.close()
        observer.close()
    assert _seen(rearm_id) == [5]
    assert Order.objects.count() == 1


def test_a_malformed_barrier_alone_is_dead_lettered(consume, broker, item):
    good = json.loads(_barrier(item, uuid.uuid4()))
    bad = [
        *({"v": 2}, {"type": "Barrier"}, {"type": None}, {"rearm_id": "7"}, {"rearm_id": None}),
        *({"item": 0}, {"shard": -1}, {"epoch": True}, {"epoch": 2**31}, {"partition": 3}),
        {"rearm_id": str(uuid.uuid4()).upper()},
    ]
    values = [json.dumps(good | one).encode() for one in bad]
    pairs = [(None, value) for value in values]
    broker.put(broker.names.reservations, [*pairs, ("ann", intent(item.pk, "ann"))])
    with consume():
        all_committed(broker, len(bad) + 1)
    assert Order.objects.count() == 1
    assert not BarrierSeen.objects.exists()
    letters = broker.read(broker.names.dead_letters)
    assert sorted(letter.value() for letter in letters) == sorted(values)


def _late(outcome):
    return REGISTRY.get_sample_value("sluice_late_reservations_total", {"outcome": outcome}) or 0


def test_a_late_reservation_is_confirmed_from_the_pool_and_counted(
    consume, broker, item, allocation, caplog
):
    before = _late("confirmed")
    close(allocation)
    assert Pool.objects.get().unallocated == 1000
    reserve(broker, item, ["ann"])
    with consume():
        all_committed(broker, 1)
    assert Order.objects.get().epoch == 1
    assert Pool.objects.get().unallocated == 999
    assert _late("confirmed") == before + 1
    (line,) = (one for one in caplog.records if getattr(one, "kind", "") == "late_reservation")
    assert line.reservation_id == reservation_id(item.pk, "ann")
    # Told again it is no longer late.
    reserve(broker, item, ["ann"])
    with consume():
        all_committed(broker, 2)
    assert _late("confirmed") == before + 1


def test_a_late_reservation_that_finds_no_unit_is_rejected_and_counted(
    consume, broker, item, allocation
):
    before = _late("closed_epoch")
    close(allocation)
    other = inventory.open_epoch(item.pk, 0, after=1, epoch=2, source="primary")
    assert other
    inventory.begin_grant(other.pk, 1000)
    reserve(broker, item, ["ann"])
    with consume():
        all_committed(broker, 1)
    assert Rejection.objects.get().reason == "closed_epoch"
    assert _late("closed_epoch") == before + 1
    assert Allocation.objects.get(pk=other.pk).consumed == 0
