"""The database refuses what no service would do: here by plain SQL."""

import pytest
from django.db import IntegrityError, connection

from control_plane.orders.models import LedgerEntry, LedgerKind

pytestmark = pytest.mark.django_db

INSERT_ORDER = """
    INSERT INTO orders_order
           (reservation_id, item_id, shard, epoch, shopper, qty, amount_minor, currency, state,
            reserved_at, created_at, pay_by)
    VALUES ('r-1', 1, 0, 1, 'u', %(qty)s, 1, 'CNY', 'unpaid', now(), now(), now())
"""


@pytest.fixture
def units_are_conserved():
    """Off: these rows are made to be refused, they took no units."""


@pytest.fixture
def entry(now):
    return LedgerEntry.objects.create(
        order_id=1, kind=LedgerKind.CONFIRM, item_id=1, qty=1, created_at=now
    )


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE orders_ledgerentry SET qty = 2",
        "UPDATE orders_ledgerentry SET qty = qty",
        "DELETE FROM orders_ledgerentry",
    ],
)
def test_the_ledger_only_grows(entry, sql):
    verb = sql.split()[0]
    refused = pytest.raises(IntegrityError, match=f"append-only, {verb} refused")
    with connection.cursor() as cursor, refused:
        cursor.execute(sql)


def test_an_order_has_one_entry_of_a_kind(entry, now):
    LedgerEntry.objects.create(order_id=1, kind=LedgerKind.RETURN, item_id=1, qty=1, created_at=now)
    with pytest.raises(IntegrityError, match="orders_ledgerentry_pkey"):
        LedgerEntry.objects.create(
            order_id=1, kind=LedgerKind.CONFIRM, item_id=1, qty=1, created_at=now
        )


def test_a_reservation_becomes_one_order(db):
    with connection.cursor() as cursor:
        cursor.execute(INSERT_ORDER, {"qty": 1})
        with pytest.raises(IntegrityError, match="order_once_per_reservation"):
            cursor.execute(INSERT_ORDER, {"qty": 1})


@pytest.mark.parametrize("qty", [0, -1])
def test_an_order_has_units(db, qty):
    with connection.cursor() as cursor, pytest.raises(IntegrityError, match="qty"):
        cursor.execute(INSERT_ORDER, {"qty": qty})
