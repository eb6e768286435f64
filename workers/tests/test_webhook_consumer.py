"""Topic `order-events` → deliveries, with a real broker and database."""

import json
import threading
from contextlib import contextmanager

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from control_plane.dead_letters.models import DeadLetter
from control_plane.dead_letters.services import Letter, discard, keep
from control_plane.orders.services import land, read_intent, unsent_events
from control_plane.webhooks.models import Delivery
from tests.redis.waiting import until
from workers import order_events
from workers.runtime import kafka
from workers.runtime.consumer import ConsumerLoop
from workers.runtime.readiness import Readiness
from workers.runtime.side_thread import run_beside
from workers.standing_figures import StandingFigures
from workers.tests.messages import intent
from workers.tests.running import in_thread
from workers.webhook_consumer import GROUP, WebhookHandler

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "inventory"])


@pytest.fixture
def listening(broker, clock):
    @contextmanager
    def running():
        stop = threading.Event()
        settings = kafka.consumer_settings(broker.brokers, broker.names.group(GROUP), "test")
        loop = ConsumerLoop(
            kafka.connect_consumer(settings),
            broker.names.order_events,
            WebhookHandler(broker.producer(), clock, stop, broker.names),
            clock=clock,
            stop=stop,
        )
        figures = StandingFigures(clock, stop, Readiness(clock, []))
        with in_thread(lambda: run_beside(loop.run, [figures], stop), stop):
            yield

    return running


def _event(campaign, number, kind="order.created", **changed):
    item = campaign.items.get()
    event = {
        "v": 1,
        "type": kind,
        "order_id": number,
        "number": f"S{number:010d}",
        "reservation_id": f"{item.pk}-0-{number:022d}",
        "item": item.pk,
        "sku": "TEA",
        "shopper": f"shopper-{number}",
        "qty": 1,
        "amount_minor": 1999,
        "currency": "CNY",
        "at_ms": int(timezone.now().timestamp() * 1000),
    }
    return f"shopper-{number}", json.dumps(event | changed).encode()


def _consumed(broker, messages):
    until(
        lambda: broker.committed(GROUP, broker.names.order_events) == messages,
        f"{messages} messages committed",
        pause_s=0.1,
    )


def test_what_happens_to_orders_is_noted_once_however_often_it_is_read(
    listening, broker, campaign, endpoint
):
    told = [_event(campaign, number) for number in range(1, 11)]
    told += [_event(campaign, number, "order.paid") for number in range(1, 6)]
    told += [_event(campaign, 20, "reservation.rejected", reason="over_limit")]
    # The warehouse's answers stand in the same topic.
    told += [_event(campaign, 1, "stock.deducted")]
    broker.put(broker.names.order_events, told)
    with listening():
        _consumed(broker, len(told))
    noted = list(Delivery.objects.order_by("pk").values_list("type", "subject", "body"))
    assert len(noted) == 16
    broker.rewind(GROUP, broker.names.order_events)
    with listening():
        _consumed(broker, len(told))
    assert list(Delivery.objects.order_by("pk").values_list("type", "subject", "body")) == noted


def test_a_rejection_told_by_its_discard_is_the_one_that_the_order_consumer_tells(
    listening, broker, item, endpoint, allocation, clock
):
    payload = intent(item.pk, "ann")
    kept = Letter("reservations", "reservations", "reservations", 0, 0, payload, "refused", "no")
    keep([kept], clock.now())
    zoe = User.objects.create(username="zoe", is_staff=True)
    assert discard(DeadLetter.objects.get().pk, "no longer wanted", zoe, clock.now())
    (event,) = unsent_events(10)
    # The message is read again, and its consumer tells what became of it.
    (landed,) = land([read_intent(payload)], clock.now())
    assert order_events.changed(event) == order_events.decided(landed)
    broker.put(broker.names.order_events, [("ann", order_events.changed(event))] * 2)
    with listening():
        _consumed(broker, 2)
    assert Delivery.objects.get().type == "order.rejected"


def test_what_nobody_can_read_is_a_dead_letter_alone(listening, broker, campaign, endpoint):
    bad = [
        ("a", b"rubbish"),
        _event(campaign, 2, qty=0),
        _event(campaign, 3, currency=""),
        _event(campaign, 4, amount_minor=-1),
        _event(campaign, 5, "reservation.rejected"),
    ]
    broker.put(broker.names.order_events, [_event(campaign, 1), *bad, _event(campaign, 6)])
    with listening():
        _consumed(broker, len(bad) + 2)
    assert Delivery.objects.count() == 2
    letters = broker.read(broker.names.dead_letters)
    assert sorted(letter.value() for letter in letters) == sorted(value for _, value in bad)
    assert {dict(letter.headers())["consumer"] for letter in letters} == {GROUP.encode()}
