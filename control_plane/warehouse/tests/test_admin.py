"""The warehouse's books in the admin."""

import pytest

from control_plane.warehouse.models import Stock, StockEntry, StockEntryKind

pytestmark = pytest.mark.django_db(databases=["default", "inventory"])

LIST = "/admin/warehouse/stock/"


@pytest.fixture
def stock(now):
    StockEntry.objects.create(
        order_id=7, kind=StockEntryKind.DEDUCT, sku="TEA", item_id=1, qty=2, created_at=now
    )
    return Stock.objects.create(sku="TEA", on_hand=8)


def test_the_list_shows_what_is_on_the_shelf(admin_client, stock, cell):
    assert cell(admin_client.get(LIST).content.decode(), "on_hand") == "8"


def test_the_page_shows_the_latest_entries(admin_client, stock):
    page = admin_client.get(f"{LIST}TEA/change/").content.decode()
    assert "S0000000007 · deduct · 2 · 2026-11-22 12:00:00" in page


def test_nobody_can_write(admin_client, stock):
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(f"{LIST}TEA/change/", {"on_hand": 99}).status_code == 403
    assert admin_client.post(f"{LIST}TEA/delete/", {"post": "yes"}).status_code == 403
