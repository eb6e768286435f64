"""Whoever keeps, tries or gives up dead letters, notes webhooks or settles a sale dies midway.

A successor, or the same thing once more, makes it right: nothing is lost and nothing done twice.
"""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User

from control_plane.campaigns import services as campaigns
from control_plane.campaigns.models import Campaign, Settlement
from control_plane.dead_letters.models import DeadLetter
from control_plane.dead_letters.services import Letter, keep
from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation, Pool, Rearm
from control_plane.merchants.models import Merchant
from control_plane.orders.models import Order, OrderEvent, Rejection
from control_plane.orders.services import end_order, pay_order
from control_plane.warehouse.models import Stock, StockEntry
from control_plane.warehouse.services import stock_in
from control_plane.webhooks.models import ORDER_TYPES, Delivery, Endpoint
from tests.race import points
from tests.race.sale import DEADLINE_S
from tests.race.test_killed_money import ENDED, ORDERS, item, landed, once
from tests.redis.waiting import until
from workers import compensator, order_events, webhook_consumer
from workers.tests.messages import intent

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "inventory"]),
]
__all__ = ["item", "landed", "once"]
LETTERS = 7


def _all_read(broker, group, topic, messages):
    until(
        lambda: broker.committed(group, topic) >= messages,
        f"{messages} messages are behind {group}",
        DEADLINE_S,
        0.1,
    )


@pytest.mark.parametrize("point", points.KEEPING)
def test_dead_letters_are_each_kept_once(point, broker, item, healthy, victim):
    topic = broker.names.dead_letters
    broker.put(topic, [(None, b"rubbish %d" % n) for n in range(LETTERS)])
    victim(point).must_die()
    with healthy(["compensator"]):
        _all_read(broker, compensator.GROUP, topic, LETTERS)
    payloads = [bytes(one.payload) for one in DeadLetter.objects.all()]
    assert sorted(payloads) == [b"rubbish %d" % n for n in range(LETTERS)]


@pytest.mark.parametrize("point", points.REPLAYING)
def test_an_event_that_is_given_to_its_consumer_again(point, broker, landed, healthy, victim):
    stock_in("TEA", 100)
    payload = order_events.decided(landed[0])
    place = ("order_events", "order-events", "order-events", 0, 7)
    keep([Letter(*place, payload, "refused", "no", "inventory-consumer")], datetime.now(UTC))
    _its_time_comes()
    victim(point).must_die()

    def done():
        _its_time_comes()
        return DeadLetter.objects.get().state == "done"

    with healthy(["compensator"]):
        until(done, "it is done", DEADLINE_S)
    assert StockEntry.objects.get().order_id == landed[0].order_id
    assert Stock.objects.get().on_hand == 99
    answers = broker.events("stock.deducted")
    assert answers, "the sale is told"
    assert all(one == answers[0] for one in answers), "a repeat is the same message"
    assert DeadLetter.objects.get().history.filter(step="done").count() == 1


def _its_time_comes():
    DeadLetter.objects.update(next_at=datetime.now(UTC))


@pytest.mark.parametrize("point", points.NOTING)
def test_webhooks_are_each_noted_once(point, broker, landed, healthy, victim):
    Endpoint.objects.create(
        merchant=Merchant.objects.get(),
        url="https://shop.example/hooks",
        events=list(ORDER_TYPES),
        created_at=datetime.now(UTC) - timedelta(hours=1),
    )
    topic = broker.names.order_events
    broker.put(topic, [(one.shopper, order_events.decided(one)) for one in landed])
    victim(point).must_die()
    with healthy(["webhook_consumer"]):
        _all_read(broker, webhook_consumer.GROUP, topic, ORDERS)
    subjects = Delivery.objects.values_list("subject", flat=True)
    assert sorted(subjects) == sorted(one.reservation_id for one in landed)


@pytest.mark.parametrize("point", points.DISCARDING)
def test_a_dead_letter_that_is_given_up(point, item, victim, once):
    User.objects.create(username="zoe", is_staff=True)
    place = ("reservations", "reservations", "reservations", 0, 7)
    keep([Letter(*place, intent(item, "ann"), "refused", "no")], datetime.now(UTC))
    victim(point).must_die()
    for _ in range(2):
        once("discard")
    assert Rejection.objects.get().reason == "discarded"
    event = OrderEvent.objects.get()
    assert (event.type, event.reservation_id) == (
        "reservation.rejected",
        Rejection.objects.get().pk,
    )
    letter = DeadLetter.objects.get()
    assert (letter.state, letter.outcome) == ("discarded", "discarded")
    assert letter.history.count() == 1
    # The unit came back once.
    assert Allocation.objects.get().granted == ORDERS - 1
    assert not Order.objects.exists()


@pytest.mark.parametrize("point", points.SETTLING)
def test_a_sale_that_is_settled(point, item, landed, victim, once):
    now = datetime.now(UTC)
    for n, one in enumerate(landed):
        assert (
            pay_order(one.order_id, now)
            if n >= ENDED
            else end_order(one.order_id, "cancelled", now)
        )
    campaigns.end_now(Campaign.objects.get(), None, now)
    for rearm in Rearm.objects.exclude(stage="closed"):
        inventory.advance(rearm.pk, "fenced", "disarmed")
        inventory.advance(rearm.pk, "disarmed", "drained")
        inventory.advance(rearm.pk, "drained", "barrier_sent", partitions=1)
        inventory.close_epoch(rearm.pk)
    victim(point).must_die()
    for _ in range(2):
        once("settle")
    assert Campaign.objects.get().settled_at is not None
    totals = Settlement.objects.get()
    assert (totals.sold, totals.orders_paid, totals.orders_cancelled) == (
        ORDERS - ENDED,
        ORDERS - ENDED,
        ENDED,
    )
    assert totals.left == Pool.objects.get().unallocated == totals.units - totals.sold
