"""What the API says of orders, reservations, reports and webhooks, and does with them."""

import pytest
import redis

from control_plane.api.tests.conftest import problem
from control_plane.orders import projection
from control_plane.orders.models import OrderState, Rejection
from control_plane.orders.services import end_order
from control_plane.webhooks.models import Delivery, DeliveryState, Endpoint

pytestmark = pytest.mark.django_db

ORDERS = "/api/v1/orders/"
ENDPOINTS = "/api/v1/webhooks/endpoints/"
DELIVERIES = "/api/v1/webhooks/deliveries/"


def test_orders_are_found_by_what_they_are(call, shop):
    def found(**query):
        return [row["number"] for row in call("get", ORDERS, query).json()["results"]]

    mine = [shop.order.number]
    assert found(state="unpaid", shopper="bob", item=shop.item.pk, campaign="shop-sale") == mine
    assert found(created_after=shop.order.created_at.isoformat()) == mine
    for nothing in (
        {"state": "paid"},
        {"shopper": "ann"},
        {"item": 1},
        {"campaign": "shop-draft"},
        {"created_before": shop.order.created_at.isoformat()},
    ):
        assert found(**nothing) == [], nothing


def test_an_order_is_cancelled_once(call, shop):
    url = f"{ORDERS}{shop.order.number}/"
    assert call("get", url).json()["state"] == "unpaid"
    assert call("post", f"{url}cancel/").json()["state"] == "cancelled"
    assert problem(call("post", f"{url}cancel/")) == (409, "not_unpaid")


@pytest.mark.parametrize("number", ["S0000000000", "S9223372036854775808", "S09999999999999999999"])
def test_a_number_that_is_none(call, shop, number):
    assert problem(call("get", f"{ORDERS}{number}/")) == (404, "not_found")


def _reservation(call, reservation_id):
    return call("get", f"/api/v1/reservations/{reservation_id}/").json()


def test_a_reservation_says_what_became_of_it(call, shop, now):
    reservation = shop.order.reservation_id
    told = _reservation(call, reservation)
    assert (told["state"], told["order_number"], told["shopper"]) == (
        "confirmed",
        shop.order.number,
        "bob",
    )
    end_order(shop.order.pk, OrderState.CANCELLED, now)
    assert _reservation(call, reservation)["state"] == "cancelled"


def test_a_rejected_one_says_why_and_one_that_nobody_knows_is_undecided(call, shop, now):
    rejected, unknown = (f"{shop.item.pk}-0-{letter * 22}" for letter in "xy")
    Rejection.objects.create(
        reservation_id=rejected,
        item_id=shop.item.pk,
        shard=0,
        epoch=1,
        shopper="bob",
        qty=1,
        reason="over_limit",
        created_at=now,
    )
    told = _reservation(call, rejected)
    assert (told["state"], told["reason"]) == ("rejected", "over_limit")
    told = _reservation(call, unknown)
    assert (told["state"], told["shopper"], told["shown_known"]) == ("undecided", None, True)


def test_what_the_shopper_is_shown_stands_beside_it(call, shop, monkeypatch):
    shown = f'{{"reservation_id":"x","state":"{"paid"}"}}'.encode()
    monkeypatch.setattr(projection, "read", lambda _: shown)
    told = _reservation(call, shop.order.reservation_id)
    assert (told["state"], told["shown_state"]) == ("confirmed", "paid")

    def away(_):
        raise redis.ConnectionError

    monkeypatch.setattr(projection, "read", away)
    told = _reservation(call, shop.order.reservation_id)
    assert (told["state"], told["shown_state"], told["shown_known"]) == ("confirmed", None, False)


def test_a_report_fills_the_equation_in(call, shop):
    told = call("get", f"/api/v1/reports/{shop.item.pk}/").json()
    assert told["equation"] == {
        "total": 10,
        "unallocated": 2,
        "open_leftover": 7,
        "live_orders": 1,
        "drift": 0,
        "holds": True,
        "text": "10 = 2 unallocated + 7 in shards + 1 in live orders",
    }
    assert told["orders"]["unpaid"] == {"orders": 1, "units": 1, "amount_minor": 1999}
    assert told["orders"]["paid"] == {"orders": 0, "units": 0, "amount_minor": 0}
    assert (told["settlement"], told["reconciliation"]) == (None, None)
    draft = call("get", f"/api/v1/reports/{shop.draft.items.get().pk}/").json()
    assert draft["equation"] is None


def test_reports_cost_the_same_however_many_there_are(
    call, shop, open_shop, django_assert_max_num_queries
):
    with django_assert_max_num_queries(9):
        assert len(call("get", "/api/v1/reports/").json()["results"]) == 2


def test_a_secret_is_said_once(call, merchant):
    body = {"merchant": "shop", "url": "https://a.example/hook", "events": ["order.paid"]}
    answer = call("post", ENDPOINTS, body)
    made = answer.json()
    assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
    assert made["secret"].startswith("whsec_")
    assert made["events"] == ["order.paid"]
    url = f"{ENDPOINTS}{made['id']}/"
    assert "secret" not in call("get", url).json()
    rotated = call("post", f"{url}rotate_secret/").json()
    assert rotated["secret"] != made["secret"]
    assert rotated["secrets"] == 2
    assert call("post", f"{url}retire_secret/").json()["secrets"] == 1
    assert problem(call("post", f"{url}retire_secret/")) == (409, "one_secret")
    newest = Endpoint.objects.get().secrets.get().secret
    assert newest == rotated["secret"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": "ftp://a.example"}, "url"),
        ({"url": "nonsense"}, "url"),
        ({"events": []}, "events"),
        ({"events": ["webhook.ping"]}, "events"),
        ({"url": "https://shop.example/h"}, "url"),
    ],
)
def test_an_endpoint_that_cannot_be_is_refused(call, shop, changes, field):
    body = {"merchant": "shop", "url": "https://a.example/hook", "events": ["order.paid"]}
    answer = call("post", ENDPOINTS, body | changes)
    assert problem(answer) == (400, "invalid")
    assert answer.json()["errors"].keys() == {field}
    assert Endpoint.objects.count() == 1


def test_an_endpoint_is_switched_off_and_on_and_pinged(call, shop):
    url = f"{ENDPOINTS}{shop.endpoint.pk}/"
    off = call("patch", url, {"active": False, "events": ["order.paid"]}).json()
    assert (off["active"], off["off_reason"], off["events"]) == (False, "people", ["order.paid"])
    assert problem(call("post", f"{url}ping/")) == (409, "endpoint_off")
    assert call("patch", url, {"active": True}).json()["off_reason"] == ""
    assert call("post", f"{url}ping/").json()["type"] == "webhook.ping"


def test_an_endpoint_with_a_log_stays(call, shop):
    url = f"{ENDPOINTS}{shop.endpoint.pk}/"
    assert problem(call("delete", url)) == (409, "has_log")
    Delivery.objects.all().delete()
    assert call("delete", url).status_code == 204
    assert not Endpoint.objects.exists()


def test_a_delivery_is_shown_whole_and_sent_again(call, shop):
    url = f"{DELIVERIES}{shop.delivery.pk}/"
    whole = call("get", url).json()
    assert '"type":"webhook.ping"' in whole["body"]
    assert whole["attempts"] == []
    Delivery.objects.update(state=DeliveryState.FAILED)
    assert call("get", DELIVERIES, {"state": "failed"}).json()["results"][0]["id"] == whole["id"]
    assert call("post", f"{url}redeliver/").json()["state"] == "pending"
    Delivery.objects.update(lease_until=shop.delivery.created_at)
    assert problem(call("post", f"{url}redeliver/")) == (409, "being_sent")
