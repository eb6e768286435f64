"""Events of the topic become deliveries: for whom, once, and in which order."""

import json
from datetime import timedelta

import pytest

from control_plane.campaigns.models import Item
from control_plane.merchants.models import Merchant
from control_plane.orders.models import Order
from control_plane.webhooks.models import Delivery, Endpoint
from control_plane.webhooks.noting import KEPT
from control_plane.webhooks.services import note

pytestmark = pytest.mark.django_db(transaction=True)

URL = "https://shop.example/hooks"


def noted(endpoint=None):
    rows = Delivery.objects.order_by("pk")
    if endpoint:
        rows = rows.filter(endpoint=endpoint)
    return [(row.type, row.subject) for row in rows]


@pytest.fixture
def endpoint(new_endpoint):
    return new_endpoint(URL)


@pytest.fixture
def order(item, now):
    return Order.objects.create(
        reservation_id=f"{item.pk}-0-{1:022d}",
        item=item,
        shard=0,
        epoch=1,
        shopper="shopper-1",
        qty=1,
        amount_minor=1999,
        currency="CNY",
        reserved_at=now,
        created_at=now - timedelta(minutes=3),
        pay_by=now + timedelta(minutes=12),
    )


def test_a_merchant_hears_who_bought_what(endpoint, told, order, now, item):
    assert note([told("order.confirmed", order.pk, reservation_id=order.reservation_id)], now) == 1
    row = Delivery.objects.get()
    body = json.loads(row.body)
    assert body == {
        "id": row.event_id,
        "type": "order.confirmed",
        "timestamp": "2026-11-22T12:00:00.000Z",
        "data": {
            "campaign": "spring",
            "item": item.pk,
            "reservation_id": order.reservation_id,
            "shopper": f"shopper-{order.pk}",
            "qty": 1,
            "sku": "TEA",
            "order_number": order.number,
            "amount_minor": 1999,
            "currency": "CNY",
            "pay_by": "2026-11-22T12:12:00.000Z",
            "replaces": None,
        },
    }
    assert (row.state, row.next_try_at, row.order_number) == ("pending", now, order.number)


def test_a_rejection_has_its_reason_and_no_order(endpoint, told, now):
    note([told("order.rejected")], now)
    data = json.loads(Delivery.objects.get().body)["data"]
    assert data["reason"] == "over_limit"
    assert "order_number" not in data


def test_an_event_told_again_adds_nothing(endpoint, told, now):
    batch = [told("order.confirmed"), told("order.paid")]
    assert note(batch, now) == 2
    assert note(batch, now + timedelta(days=1)) == 0
    assert note([told("order.paid"), told("order.paid")], now) == 0


def test_the_end_told_before_the_beginning_comes_after_it(endpoint, told, order, now):
    """The order consumer and the courier write to the topic; nobody orders the two."""
    about = {"reservation_id": order.reservation_id}
    assert note([told("order.paid", order.pk, **about)], now) == 2
    assert [kind for kind, _ in noted()] == ["order.confirmed", "order.paid"]
    body = json.loads(Delivery.objects.earliest("pk").body)
    assert body["timestamp"] == "2026-11-22T11:57:00.000Z"
    created = told("order.confirmed", order.pk, at=order.created_at, **about)
    assert note([created], now) == 0
    assert Delivery.objects.earliest("pk").body == json.dumps(body, separators=(",", ":"))


def test_each_endpoint_hears_what_it_asked_for(new_endpoint, told, now):
    paid = new_endpoint(URL, events=["order.paid"])
    ends = new_endpoint(URL + "2", events=["order.expired", "order.cancelled"])
    note([told("order.confirmed"), told("order.paid"), told("order.expired", 2)], now)
    assert [kind for kind, _ in noted(paid)] == ["order.paid"]
    assert [kind for kind, _ in noted(ends)] == ["order.expired"]


def test_nobody_hears_of_other_merchants_orders(new_endpoint, told, now):
    other = Merchant.objects.create(slug="other", name="Other")
    new_endpoint(URL, of=other)
    assert note([told("order.confirmed")], now) == 0


def test_an_unknown_item_is_nobodys(endpoint, told, now):
    unknown = Item.objects.latest("pk").pk + 1
    assert note([told("order.confirmed", item=unknown), told("order.confirmed", 2)], now) == 1


def test_an_endpoint_that_is_off_hears_nothing_new(endpoint, told, now):
    Endpoint.objects.update(active=False, off_reason="people")
    assert note([told("order.confirmed")], now) == 0


def test_an_endpoint_hears_nothing_of_before_it_was_made(endpoint, told, now):
    """A consumer that begins reads the whole topic."""
    before = endpoint.created_at - timedelta(seconds=1)
    assert note([told("order.confirmed", at=before)], now) == 0


def test_what_may_have_been_forgotten_is_not_taken_in_again(endpoint, told, now):
    Endpoint.objects.update(created_at=now - timedelta(days=90))
    assert note([told("order.confirmed", at=now - KEPT)], now) == 0
    assert note([told("order.confirmed", 2, at=now - KEPT + timedelta(hours=1))], now) == 1
