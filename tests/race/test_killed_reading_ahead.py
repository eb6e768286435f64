"""An order consumer is killed with three batches under way; its successor makes them right."""

import pytest

from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation
from control_plane.orders import projection
from control_plane.orders.models import LedgerEntry, Order
from tests.race import points
from tests.race.sale import DEADLINE_S, UNITS
from tests.redis.waiting import until
from workers.order_consumer import GROUP
from workers.tests.conftest import work_redis
from workers.tests.messages import intent

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "inventory"]),
]
__all__ = ["work_redis"]


@pytest.fixture
def item(sale):
    """The sale's item, with an epoch that PostgreSQL alone knows: no shard is needed here."""
    opened = inventory.open_epoch(sale.item, 0, after=0, epoch=1, source="primary")
    assert opened is not None
    inventory.begin_grant(opened.pk, UNITS)
    Allocation.objects.update(script_sha="a" * 40)
    yield sale.item
    assert inventory.conservation(sale.item).drift == 0


@pytest.mark.parametrize("point", points.READING_AHEAD)
def test_three_batches_under_way(point, broker, item, healthy, victim, work_redis):
    topic = broker.names.reservations
    shoppers = [f"shopper-{n}" for n in range(UNITS)]
    broker.put(topic, [(name, intent(item, name)) for name in shoppers])
    victim(point).must_die()
    assert 0 < Order.objects.count() < UNITS
    assert broker.committed(GROUP, topic) < Order.objects.count()
    with healthy(["order_consumer"]):
        until(lambda: broker.committed(GROUP, topic) == UNITS, "all are committed", DEADLINE_S)
    assert sorted(Order.objects.values_list("shopper", flat=True)) == sorted(shoppers)
    assert LedgerEntry.objects.count() == UNITS
    orders = dict(Order.objects.values_list("pk", "reservation_id"))
    told = {one["order_id"]: one["reservation_id"] for one in broker.events("order.created")}
    assert told == orders
    statuses = work_redis.mget([projection.KEY_PREFIX + one for one in orders.values()])
    assert all(text and b'"state":"confirmed"' in text for text in statuses)
