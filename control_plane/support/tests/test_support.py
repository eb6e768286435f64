"""/admin/support/: who finds what, and what is told."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from control_plane.dead_letters.models import DeadLetter, HistoryEntry, Step
from control_plane.orders.models import (
    FollowedReservation,
    HoldRelease,
    LedgerEntry,
    Order,
    OrderEvent,
    Rejection,
    StockAnswer,
)
from control_plane.payments.models import Payment, PaymentEvent, Refund
from control_plane.support import kafka_place
from control_plane.support.finding import find
from control_plane.support.kafka_place import CannotSay, murmur2
from control_plane.support.story import Story, tell

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def moment(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


@pytest.fixture
def order(item):
    return Order.objects.create(
        reservation_id=f"{item.pk}-0-{'a' * 22}",
        item=item,
        shard=0,
        epoch=3,
        shopper="ann",
        qty=1,
        amount_minor=1999,
        currency="CNY",
        reserved_at=moment(0),
        created_at=moment(1),
        pay_by=moment(900),
    )


@pytest.fixture
def reader(django_user_model, client):
    user = django_user_model.objects.create_user("eve", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_story"))
    client.force_login(user)
    return user


def told(reservation_id, user) -> Story:
    story = tell(reservation_id, user)
    assert story is not None
    return story


def titles(reservation_id, user):
    return [event.title for event in told(reservation_id, user).events]


def test_it_is_found_by_shopper_reservation_order_and_trace(order):
    FollowedReservation.objects.create(
        reservation_id=order.reservation_id,
        trace_id=TRACE,
        outbox="1-0",
        topic="reservations",
        partition=3,
        offset=17,
        noted_at=moment(1),
    )
    for text in ("ann", order.reservation_id, order.number, order.number.lower(), TRACE, " ann "):
        assert [one.reservation_id for one in find(text)] == [order.reservation_id], text
    for text in ("", "bob", "S9999999999", "0" * 32, "'; --", "x" * 300):
        assert find(text) == [], text


def test_the_story_is_in_the_order_of_time(order, admin_user):
    payment = Payment.objects.create(
        order=order,
        provider="demo",
        amount_minor=1999,
        currency="CNY",
        state="paid",
        created_at=moment(10),
        paid_at=moment(12),
    )
    PaymentEvent.objects.create(
        provider="demo",
        event_id="e-1",
        payment=payment,
        type="payment.paid",
        outcome="paid",
        received_at=moment(11),
    )
    Refund.objects.create(
        payment=payment,
        reason="cancelled",
        state="done",
        next_try_at=moment(20),
        created_at=moment(15),
        finished_at=moment(20),
    )
    OrderEvent.objects.create(order_id=order.pk, type="order.cancelled", created_at=moment(14))
    LedgerEntry.objects.create(
        order_id=order.pk, kind="return", item_id=order.item_id, qty=1, created_at=moment(14.5)
    )
    StockAnswer.objects.create(order_id=order.pk, kind="deducted", qty=1, at=moment(2))
    HoldRelease.objects.create(
        reservation_id=order.reservation_id,
        order=order,
        item_id=order.item_id,
        shard=0,
        shopper="ann",
        created_at=moment(14),
        released_at=moment(16),
    )
    assert titles(order.reservation_id, admin_user) == [
        "reserved",
        "confirmed",
        "warehouse: deducted",
        "payment begun",
        "callback: order paid",
        "paid",
        "order: cancelled",
        "units returned",
        "money is to go back",
        "the shard has heard of it",
        "money went back",
    ]


def test_a_rejection_and_a_dead_letter_tell_why(item, admin_user):
    name = f"{item.pk}-0-{'b' * 22}"
    letter = DeadLetter.objects.create(
        source="reservations",
        source_name="reservations",
        topic="reservations.dlq",
        partition=2,
        offset=5,
        digest="d" * 64,
        payload=b"{}",
        reservation_id=name,
        item_number=item.pk,
        shopper="bob",
        error_kind="refused",
        error="no such item",
        next_at=moment(60),
        created_at=moment(1),
    )
    HistoryEntry.objects.create(letter=letter, at=moment(2), step=Step.FAILED, attempt=1, text="no")
    assert [one.reservation_id for one in find("bob")] == [name]
    story = told(name, admin_user)
    assert [(one.title, one.tone) for one in story.events] == [
        ("dead letter", "wrong"),
        ("dead letter: attempt failed", ""),
    ]
    assert "partition 2, offset 5: no such item" in story.events[0].text
    Rejection.objects.create(
        reservation_id=name,
        item_id=item.pk,
        shard=0,
        epoch=3,
        shopper="bob",
        qty=1,
        reason="discarded",
        created_at=moment(3),
    )
    assert titles(name, admin_user)[-1] == "rejected"


def test_what_is_not_known_is_said(order, admin_user):
    unknown = " ".join(told(order.reservation_id, admin_user).unknown)
    assert "ticket" in unknown
    assert "not followed" in unknown
    assert tell(f"{order.item_id}-0-{'z' * 22}", admin_user) is None


def test_whoever_may_not_see_it_gets_no_page_and_no_links(order, reader, client):
    page = client.get(reverse("admin:support"), {"q": "ann"}).content.decode()
    assert order.reservation_id in page
    assert reverse("admin:orders_order_change", args=[order.pk]) not in page
    reader.user_permissions.clear()
    assert client.get(reverse("admin:support"), {"q": "ann"}).status_code == 403
    client.logout()
    assert client.get(reverse("admin:support"), {"q": "ann"}).status_code == 302


def test_a_page_escapes_what_was_typed_and_shows_only_what_was_found(order, admin_client):
    page = admin_client.get(reverse("admin:support"), {"q": "<script>x</script>"}).content.decode()
    assert "<script>x" not in page
    other = {"q": "bob", "reservation": order.reservation_id}
    page = admin_client.get(reverse("admin:support"), other).content.decode()
    assert order.number not in page


@pytest.mark.parametrize(
    ("key", "number"),
    # org.apache.kafka.common.utils.UtilsTest.testMurmur2, without the sign bit.
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_a_key_has_the_partition_that_producers_give_it(key, number):
    assert murmur2(key) == number & 0x7FFFFFFF


def test_kafka_that_cannot_be_asked_is_no_no(order, admin_client, settings, monkeypatch):
    def away(*_: object) -> None:
        raise CannotSay("time")

    monkeypatch.setattr(kafka_place, "find", away)
    asked = {"q": "ann", "kafka": "1"}
    page = admin_client.get(reverse("admin:support"), asked).content.decode()
    assert "could not be asked" in page
