"""Deliveries reach a real server: retried, in order, each merchant on his own."""

from datetime import timedelta

import pytest

from control_plane.outgoing.tests.merchant import serving
from control_plane.webhooks import claiming
from control_plane.webhooks.claiming import AT_ONCE_OF_ENDPOINT, ATTEMPTS_MAX, PAUSES_S
from control_plane.webhooks.delivering import THREADS
from control_plane.webhooks.models import Attempt, Delivery, Endpoint
from control_plane.webhooks.services import (
    Way,
    deliver_due,
    forget_old,
    ping,
    redeliver,
    retire_secret,
    rotate_secret,
    switch_off_failing,
)
from control_plane.webhooks.tests.conftest import only
from tests.redis.waiting import until
from tests.vectors.webhook import verify

pytestmark = pytest.mark.django_db(transaction=True)

LIFE = ("order.confirmed", "order.paid")


def test_an_event_arrives_once_and_is_logged(tell, deliver, shop, endpoint, now):
    reservation = tell("order.confirmed")
    assert deliver() == 1
    assert shop.types(reservation) == ["order.confirmed"]
    row = only()
    assert (row.state, row.finished_at, row.attempts_made) == ("delivered", now, 1)
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.error, attempt.answer, attempt.number) == (200, "", "ok", 1)
    assert deliver(3600) == 0
    assert Endpoint.objects.get().last_delivered_at == now


def test_what_arrives_is_signed(tell, deliver, shop, endpoint, now):
    tell("order.confirmed")
    deliver()
    (heard,) = shop.heard
    secret = endpoint.secrets.get().secret
    assert verify(secret, heard.headers, heard.body, now.timestamp()) == heard.event
    assert heard.headers["webhook-id"] == heard.event["id"] == only().event_id
    assert heard.headers["content-type"] == "application/json"


def test_a_failure_is_tried_again_with_the_same_event(tell, deliver, shop, endpoint):
    shop.answer = lambda _: 500 if len(shop.heard) < 3 else 200
    tell("order.confirmed")
    assert deliver() == 1
    assert deliver(PAUSES_S[0] - 1) == 0
    assert deliver(PAUSES_S[0]) == 1
    assert deliver(PAUSES_S[0] + PAUSES_S[1]) == 1
    assert only().state == "delivered"
    assert len(set(shop.ids())) == 1
    assert len({one.body for one in shop.heard}) == 1
    # Each attempt is signed when it is made.
    assert len({one.headers["webhook-timestamp"] for one in shop.heard}) == 3
    log = list(Attempt.objects.values_list("number", "status", "error"))
    assert log == [(1, 500, "status 500"), (2, 500, "status 500"), (3, 200, "")]


def test_pauses_grow_and_are_jittered(monkeypatch):
    assert list(PAUSES_S) == sorted(set(PAUSES_S))
    monkeypatch.undo()
    drawn = {claiming._jitter() for _ in range(50)}
    assert len(drawn) > 1
    assert all(0.8 <= one <= 1.2 for one in drawn)


def test_after_the_last_attempt_it_is_given_up(tell, deliver, shop, endpoint):
    shop.answer = lambda _: 400
    tell("order.confirmed")
    moment = 0
    for pause_s in (*PAUSES_S, 0):
        assert deliver(moment) == 1
        moment += pause_s
    row = only()
    assert (row.state, row.attempts_made) == ("failed", ATTEMPTS_MAX)
    assert deliver(moment + 10**6) == 0


def test_a_redirect_is_a_failure_and_nobody_follows_it(tell, deliver, shop, endpoint):
    with serving() as other:
        shop.answer = lambda _: (307, {"Location": other.url()}, b"")
        tell("order.confirmed")
        deliver()
        assert other.heard == []
    assert Attempt.objects.get().error == "redirect: not followed"
    assert only().state == "pending"


def test_an_address_that_leads_inside_is_an_error_in_the_log(tell, deliver, new_endpoint, shop):
    new_endpoint("https://shop.example/hooks")
    tell("order.confirmed")
    due = only().next_try_at
    deliver_due(Way(False, look_up=lambda host, port: ["10.0.0.1"], clock=lambda: due))
    attempt = Attempt.objects.get()
    assert attempt.status is None
    assert attempt.error.startswith("private_address: leads to 10.0.0.1")


# Order -------------------------------------------------------------------------------------------


def test_a_later_event_waits_until_the_earlier_one_has_arrived(tell, deliver, shop, endpoint):
    refusing = True
    shop.answer = lambda heard: 400 if refusing else 200
    reservation = tell(*LIFE)
    assert deliver() == 1
    assert shop.types(reservation) == ["order.confirmed"]
    refusing = False
    assert deliver(PAUSES_S[0]) == 2
    assert shop.types(reservation) == ["order.confirmed", "order.confirmed", "order.paid"]


def test_a_later_event_goes_on_once_the_earlier_one_is_given_up(tell, deliver, shop, endpoint):
    shop.answer = lambda heard: 400 if heard.event["type"] == "order.confirmed" else 200
    reservation = tell(*LIFE)
    Delivery.objects.filter(type="order.confirmed").update(attempts_made=ATTEMPTS_MAX - 1)
    assert deliver() == 2
    assert shop.types(reservation) == list(LIFE)
    assert list(Delivery.objects.order_by("pk").values_list("state", flat=True)) == [
        "failed",
        "delivered",
    ]


def test_events_that_wait_for_an_earlier_one_are_not_looked_at_meanwhile(
    tell, deliver, shop, endpoint, now
):
    shop.answer = lambda _: 400
    tell(*LIFE)
    deliver()
    assert set(Delivery.objects.values_list("next_try_at", flat=True)) == {
        now + timedelta(seconds=PAUSES_S[0])
    }
    # A person has the first one sent at once: the second one follows at once.
    shop.answer = lambda _: 200
    redeliver([Delivery.objects.earliest("pk").pk], now)
    assert deliver(1) == 2


def test_other_orders_do_not_wait_for_one_that_is_refused(tell, deliver, shop, endpoint):
    first = f"{1:022d}"
    shop.answer = lambda heard: 400 if first in heard.event["data"]["reservation_id"] else 200
    tell(*LIFE, number=1)
    other = tell(*LIFE, number=2)
    deliver()
    assert shop.types(other) == list(LIFE)


def test_each_order_keeps_its_order_in_a_crowd(tell, deliver, shop, endpoint):
    reservations = [tell("order.confirmed", number=n) for n in range(1, 21)]
    for number in range(1, 21):
        tell("order.paid", number=number)
    assert deliver() == 40
    assert all(shop.types(one) == list(LIFE) for one in reservations)
    assert shop.most_under_way <= AT_ONCE_OF_ENDPOINT


# Each on his own ---------------------------------------------------------------------------------


def test_a_merchant_who_does_not_answer_holds_nobody_back(
    tell, deliver, shop, endpoint, new_endpoint, at_once
):
    """More events than threads wait for him; the other one's all arrive meanwhile."""
    with serving() as silent:
        silent.answer = silent.hold
        new_endpoint(silent.url())
        for number in range(1, THREADS + 5):
            tell("order.confirmed", number=number)

        def then_let_go():
            until(lambda: len(shop.heard) == THREADS + 4, "the other merchant has heard all")
            heard = (silent.most_under_way, len(silent.heard))
            silent.let_go.set()
            return heard

        _, (most, requests) = at_once([deliver, then_let_go])
        assert most == requests == AT_ONCE_OF_ENDPOINT


def test_a_server_in_trouble_is_asked_by_one_at_a_time_and_less_often(
    tell, deliver, shop, endpoint, now
):
    shop.answer = lambda _: 503
    for number in range(1, 9):
        tell("order.confirmed", number=number)
    assert deliver() == AT_ONCE_OF_ENDPOINT
    troubled = Endpoint.objects.get()
    assert (troubled.failures, troubled.failing_since) == (AT_ONCE_OF_ENDPOINT, now)
    assert troubled.not_before == now + timedelta(seconds=2**AT_ONCE_OF_ENDPOINT)
    assert deliver(2**AT_ONCE_OF_ENDPOINT - 1) == 0
    assert deliver(2**AT_ONCE_OF_ENDPOINT) == 1
    shop.answer = lambda _: 200
    # The first that arrives lets the others go.
    assert deliver(10_000) == 8
    assert Endpoint.objects.get().failures == 0


def test_a_server_that_refuses_one_event_gets_the_others(tell, deliver, shop, endpoint):
    shop.answer = lambda _: 422
    for number in range(1, 9):
        tell("order.confirmed", number=number)
    assert deliver() == 8
    assert Endpoint.objects.get().not_before is None


def test_an_endpoint_that_fails_for_days_is_switched_off_and_nothing_is_lost(
    tell, deliver, shop, endpoint, now
):
    shop.answer = lambda _: 500
    tell("order.confirmed")
    deliver()
    five = timedelta(days=5)
    assert switch_off_failing(now + five - timedelta(seconds=1), five) == 0
    assert switch_off_failing(now + five, five) == 1
    assert switch_off_failing(now + five, five) == 0
    assert Endpoint.objects.get().off_reason == "failing"
    tell("order.confirmed", number=2)
    assert deliver(five.total_seconds()) == 0
    Endpoint.objects.update(active=True, off_reason="", failures=0, not_before=None)
    shop.answer = lambda _: 200
    assert deliver(five.total_seconds()) == 2


def test_what_people_switched_off_is_told_nothing_of_that_time(tell, deliver, shop, endpoint):
    Endpoint.objects.update(active=False, off_reason="people")
    tell("order.confirmed")
    Endpoint.objects.update(active=True, off_reason="")
    assert deliver() == 0


def test_a_server_that_is_gone_for_good_is_asked_no_more(tell, deliver, shop, endpoint):
    shop.answer = lambda _: 410
    tell("order.confirmed", number=1)
    deliver()
    tell("order.confirmed", number=2)
    assert Endpoint.objects.get().off_reason == "gone"
    endpoint.refresh_from_db()
    assert endpoint.history.first().active is False
    assert deliver(10**6) == 0


# People ------------------------------------------------------------------------------------------


def test_a_redelivery_sends_the_same_event_with_all_its_attempts(
    tell, deliver, shop, endpoint, now
):
    tell("order.confirmed")
    deliver()
    shop.answer = lambda _: 400
    row = only()
    assert redeliver([row.pk], now) == 1
    assert deliver() == 1
    again = only()
    # The first of as many attempts as any delivery has.
    assert (again.state, again.next_try_at) == (
        "pending",
        now + timedelta(seconds=PAUSES_S[0]),
    )
    assert len(shop.ids()) == 2
    assert len(set(shop.ids())) == 1


def test_what_is_being_sent_is_not_redelivered(tell, endpoint, now):
    tell("order.confirmed")
    (claimed,) = claiming.claim(now, 1)
    assert redeliver([claimed.id], now) == 0


def test_a_test_goes_the_way_of_all_events(deliver, shop, endpoint, now):
    ping(endpoint, now)
    assert deliver() == 1
    (heard,) = shop.heard
    assert (heard.event["type"], heard.event["data"]) == ("webhook.ping", {})


def test_while_secrets_rotate_either_verifies(deliver, shop, endpoint, now):
    old = endpoint.secrets.get().secret
    new = rotate_secret(endpoint, now).secret
    ping(endpoint, now)
    deliver()
    for secret in (old, new):
        verify(secret, shop.heard[0].headers, shop.heard[0].body, now.timestamp())
    assert retire_secret(endpoint)
    assert not retire_secret(endpoint)
    ping(endpoint, now)
    deliver()
    verify(new, shop.heard[1].headers, shop.heard[1].body, now.timestamp())
    with pytest.raises(ValueError, match="signature"):
        verify(old, shop.heard[1].headers, shop.heard[1].body, now.timestamp())


def test_a_third_secret_ends_the_first(endpoint, now):
    made = [rotate_secret(endpoint, now).secret for _ in range(2)]
    assert set(endpoint.secrets.values_list("secret", flat=True)) == set(made)


def test_old_deliveries_are_forgotten_with_their_log(tell, deliver, shop, endpoint, now):
    tell("order.confirmed")
    deliver()
    assert forget_old(now + timedelta(days=30)) == 0
    assert forget_old(now + timedelta(days=30, seconds=1)) == 1
    assert not Attempt.objects.exists()
