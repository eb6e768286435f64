"""Orders in the admin: found by exact words, shown with their ledger, never changed."""

import pytest
from django.contrib.auth.models import Permission, User

from control_plane.orders.models import LedgerEntry, LedgerKind, Order, Rejection, RejectionReason

pytestmark = pytest.mark.django_db

LIST = "/admin/orders/order/"


@pytest.fixture
def units_are_conserved():
    """Off: these orders are only to be looked at, they took no units."""


@pytest.fixture
def orders(item, now):
    """Two orders of two shoppers."""
    return [
        Order.objects.create(
            reservation_id=f"{item.pk}-0-{shopper}",
            item=item,
            shard=0,
            epoch=1,
            shopper=shopper,
            qty=1,
            amount_minor=1999,
            currency="CNY",
            reserved_at=now,
            created_at=now,
            pay_by=now,
        )
        for shopper in ("alice", "bob")
    ]


def _found(client, words):
    page = client.get(LIST, {"q": words}).content.decode()
    return [shopper for shopper in ("alice", "bob") if f">{shopper}</td>" in page]


def test_an_order_is_found_by_number_reservation_and_shopper(admin_client, orders):
    alice, _ = orders
    numbers = (alice.number, alice.number.lower(), f"S{alice.pk}")
    for words in (*numbers, alice.reservation_id, "alice"):
        assert _found(admin_client, f" {words} ") == ["alice"], words


@pytest.mark.parametrize("words", ["ali", "S0", "0-", "nobody", "S" + "9" * 30])
def test_other_words_find_nothing(admin_client, orders, words):
    assert _found(admin_client, words) == []


def test_without_words_all_are_listed(admin_client, orders):
    assert _found(admin_client, "") == ["alice", "bob"]


def test_the_page_of_an_order_shows_its_ledger(admin_client, orders, now):
    order, other = orders
    for owner, kind in ((order, LedgerKind.CONFIRM), (other, LedgerKind.RETURN)):
        LedgerEntry.objects.create(
            order_id=owner.pk, kind=kind, item_id=owner.item_id, qty=1, created_at=now
        )
    page = admin_client.get(f"{LIST}{order.pk}/change/").content.decode()
    assert order.number in page
    assert "<div>confirm · 1 · 2026-11-22 12:00:00</div>" in page
    assert "return" not in page


def test_a_rejection_shows_its_reason(admin_client, item, now):
    Rejection.objects.create(
        reservation_id="r-1",
        item_id=item.pk,
        shard=0,
        epoch=1,
        shopper="alice",
        qty=1,
        reason=RejectionReason.OVER_LIMIT,
        created_at=now,
    )
    page = admin_client.get("/admin/orders/rejection/r-1/change/").content.decode()
    assert "over limit" in page
    assert "r-1" in admin_client.get("/admin/orders/rejection/?q=alice").content.decode()


def test_nobody_can_write(admin_client, orders):
    order = orders[0]
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(f"{LIST}{order.pk}/change/", {"state": "paid"}).status_code == 403
    assert admin_client.post(f"{LIST}{order.pk}/delete/", {"post": "yes"}).status_code == 403
    form = {"action": "delete_selected", "_selected_action": [order.pk], "post": "yes"}
    admin_client.post(LIST, form)
    assert Order.objects.count() == 2


@pytest.fixture
def taken_back(monkeypatch):
    """The calls that would end an order."""
    calls = []

    def end_order(order_id, to_state, now):
        calls.append((order_id, to_state))
        return len(calls) == 1

    monkeypatch.setattr("control_plane.orders.services.end_order", end_order)
    return calls


def test_an_unpaid_order_is_cancelled_after_being_asked(admin_client, orders, taken_back):
    order = orders[0]
    page, url = f"{LIST}{order.pk}/change/", f"{LIST}{order.pk}/cancel/"
    assert url in admin_client.get(page).content.decode()
    assert "go back on sale" in admin_client.get(url).content.decode()
    assert admin_client.post(url, {}).status_code == 200
    assert taken_back == []
    done = admin_client.post(url, {"reason": "asked by phone"}, follow=True).content.decode()
    assert f"{order.number} is cancelled." in done
    assert taken_back == [(order.pk, "cancelled")]
    history = admin_client.get(f"{LIST}{order.pk}/history/").content.decode()
    assert "Cancel order: asked by phone" in history
    again = admin_client.post(url, {"reason": "twice"}, follow=True).content.decode()
    assert "not unpaid any more" in again


def test_an_order_that_is_not_unpaid_has_no_button(admin_client, orders):
    Order.objects.update(state="paid")
    assert "/cancel/" not in admin_client.get(f"{LIST}{orders[0].pk}/change/").content.decode()


def test_cancelling_needs_its_own_permission(client, orders, taken_back):
    user = User.objects.create_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_order"))
    client.force_login(user)
    page = client.get(f"{LIST}{orders[0].pk}/change/")
    assert page.status_code == 200
    assert "/cancel/" not in page.content.decode()
    assert client.post(f"{LIST}{orders[0].pk}/cancel/", {"reason": "x"}).status_code == 403
    assert taken_back == []
