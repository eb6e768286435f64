"""One of the two databases takes no connection for a while: afterwards orders and shelves agree.

`-s` prints for how long it was away; SLUICE_TEST_CUT_S makes that longer.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg2
import pytest
from django.db import connections

from control_plane.orders.models import StockAnswer
from control_plane.orders.services import end_order, unanswered
from control_plane.warehouse.models import Stock, StockEntry
from control_plane.warehouse.services import stock_in
from deploy.local import tool_settings
from tests.redis.waiting import until
from workers import order_events
from workers.tests.test_order_courier import ORDERS, consumers, orders, sender

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "inventory"])

__all__ = ["consumers", "orders", "sender"]

CUT_S = float(os.environ.get("SLUICE_TEST_CUT_S", "3"))
HEALED_WITHIN_S = 60.0


@contextmanager
def cut(alias: str, seconds: float = CUT_S) -> Iterator[None]:
    """PostgreSQL ends every session of the database and accepts no other, for so long at least."""
    ours = connections[alias].settings_dict
    name = ours["NAME"]
    connections[alias].close()
    # From the database beside it, which stays.
    beside = psycopg2.connect(
        dbname=tool_settings.DATABASES[alias]["NAME"].removeprefix("test_"),
        user=ours["USER"],
        password=ours["PASSWORD"],
        host=ours["HOST"],
        port=ours["PORT"],
    )
    beside.autocommit = True
    cursor = beside.cursor()
    began = time.monotonic()
    cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    cursor.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
    )
    try:
        yield
        until(lambda: time.monotonic() - began > seconds, "the cut has lasted", seconds + 30, 0.1)
    finally:
        cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        beside.close()
        connections[alias].close()
        print(f"\n{name} took no connection for {time.monotonic() - began:.1f} s")


def _ended(made):
    for one in made[:10]:
        assert end_order(one.order_id, "cancelled", datetime.now(UTC))


def _agreed():
    answers = StockAnswer.objects.values_list("kind", flat=True)
    return (
        Stock.objects.get().on_hand == 90
        and StockEntry.objects.count() == ORDERS + 10
        and sorted(answers) == ["deducted"] * ORDERS + ["restored"] * 10
    )


def _agree_at_last():
    until(_agreed, "orders and shelves agree", HEALED_WITHIN_S, 0.1)
    epoch = datetime.fromtimestamp(0, UTC)
    assert unanswered(epoch, datetime.now(UTC)) == 0


def test_the_warehouse_is_away(consumers, orders, sender, broker):
    stock_in("TEA", 100)
    created = [(one.shopper, order_events.decided(one)) for one in orders]
    with consumers():
        with cut("inventory"):
            broker.put(broker.names.order_events, created)
            # The sale goes on: orders end, and the courier sends what it can.
            _ended(orders)
            assert sender.send() == 10
            assert not StockAnswer.objects.exists()
        _agree_at_last()


def test_the_sale_is_away(consumers, orders, sender, broker):
    stock_in("TEA", 100)
    created = [(one.shopper, order_events.decided(one)) for one in orders]
    with consumers():
        with cut("default"):
            broker.put(broker.names.order_events, created)
            until(lambda: StockEntry.objects.count() == ORDERS, "the warehouse goes on", 30, 0.1)
            assert sender.turn() > 0, "the courier waits"
        _ended(orders)
        until(lambda: sender.turn() == 0, "the courier leads again", 30, 0.1)
        _agree_at_last()
