"""Somebody else holds an item's pool: a process that was frozen in the middle of a transaction."""

import psycopg2
import pytest
from django.db import connection
from django.db.backends.signals import connection_created

from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation, Pool
from tests.redis.waiting import until
from workers.agent.tests.test_rounds import more_items
from workers.runtime.database import bound_lock_waits

pytestmark = pytest.mark.django_db(transaction=True)

WAIT_MS = 100
# Far more than the bounded waits of a few rounds; without the bound the first one never ends.
DEADLINE_S = 60


@pytest.fixture
def bounded():
    """Every connection of this process, as in `stock_agent.main`."""
    connection.close()
    bound_lock_waits(WAIT_MS)
    yield
    connection_created.disconnect(dispatch_uid="bound_lock_waits")
    connection.close()


@pytest.fixture
def held(item):
    """Another session holds the pool of the first item."""
    parameters = connection.get_connection_params()
    holder = psycopg2.connect(
        **{name: value for name, value in parameters.items() if name not in ("cursor_factory",)}
    )
    with holder.cursor() as cursor:
        # Or the server ends it, on a busy machine while the agent is still at its first rounds.
        cursor.execute("SET idle_in_transaction_session_timeout = 0")
        cursor.execute("SELECT FROM inventory_pool WHERE item_id = %s FOR UPDATE", [item.pk])
    yield holder
    holder.close()


def test_the_agent_waits_for_that_item_alone(agent, sale, item, bounded, held):
    other = more_items(1)[0]
    granted = Allocation.objects.filter(item=other)

    def has_all():
        # Which shards a round comes to before its time is up is drawn.
        agent.round()
        return sum(granted.values_list("granted", flat=True)) == 30

    until(has_all, "the other item has its units", deadline_s=DEADLINE_S)
    assert not Allocation.objects.filter(item=item).exists()
    held.rollback()

    def is_empty():
        agent.round()
        return Pool.objects.get(pk=item.pk).unallocated == 0

    until(is_empty, "and so has this one")
    assert inventory.conservation(item.pk).drift == 0


def test_a_session_that_idles_in_a_transaction_is_ended_by_the_server():
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone() == ("10s",)
