"""The database refuses what no service would do: here by plain SQL."""

import pytest
from django.db import IntegrityError, connections

from control_plane.warehouse.models import StockEntry, StockEntryKind

pytestmark = pytest.mark.django_db(databases=["default", "inventory"])


@pytest.fixture
def entry(now):
    return StockEntry.objects.create(
        order_id=1, kind=StockEntryKind.DEDUCT, sku="TEA", item_id=1, qty=1, created_at=now
    )


@pytest.mark.parametrize(
    "sql", ["UPDATE warehouse_stockentry SET qty = 2", "DELETE FROM warehouse_stockentry"]
)
def test_the_books_only_grow(entry, sql):
    verb = sql.split()[0]
    refused = pytest.raises(IntegrityError, match=f"append-only, {verb} refused")
    with connections["inventory"].cursor() as cursor, refused:
        cursor.execute(sql)


def test_an_order_has_one_entry_of_a_kind(entry, now):
    with pytest.raises(IntegrityError, match="warehouse_stockentry_pkey"):
        StockEntry.objects.create(
            order_id=1, kind=StockEntryKind.DEDUCT, sku="TEA", item_id=1, qty=1, created_at=now
        )
