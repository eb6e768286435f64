"""Order events that were put aside, in the admin: seen, tried again, given up."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db.models import F
from django.utils import timezone

from control_plane.config import waiting
from control_plane.config.audit.trail import Wanted, newest
from control_plane.orders import services
from control_plane.orders.models import OrderEvent, Rejection

pytestmark = pytest.mark.django_db
LIST = "/admin/orders/orderevent/"


@pytest.fixture
def rejection(item):
    return Rejection.objects.create(
        reservation_id="r-1",
        item_id=item.pk,
        shard=0,
        epoch=1,
        shopper="bob",
        qty=1,
        reason="late",
        created_at=timezone.now(),
    )


@pytest.fixture
def event(rejection):
    one = OrderEvent.objects.create(
        reservation_id="r-1", type="reservation.rejected", created_at=timezone.now()
    )
    services.put_aside(one.pk, "year 10000 is out of range")
    services.put_aside(one.pk, "year 10000 is still out of range")
    one.refresh_from_db()
    return one


def _text(answer):
    return answer.content.decode()


def _unsent():
    return [one.id for one in services.unsent_events(10)]


def test_it_is_shown_with_what_it_says_why_and_how_often(admin_client, event):
    OrderEvent.objects.create(order_id=7, type="order.paid", created_at=timezone.now())
    page = _text(admin_client.get(LIST, {"open": "1"}))
    assert "r-1" in page
    assert "still out of range" in page
    assert "S0000000007" not in page, "nobody put it aside"
    own = _text(admin_client.get(f"{LIST}{event.pk}/change/"))
    for part in ("&quot;shopper&quot;: &quot;bob&quot;", "late", "still out of range", "Retry now"):
        assert part in own
    assert event.attempts == 2


def test_a_retry_has_it_sent_at_the_next_turn(admin_client, event):
    assert _unsent() == []
    assert event.aside_until > timezone.now()
    admin_client.post(f"{LIST}{event.pk}/retry/", {"reason": "mended"})
    event.refresh_from_db()
    assert event.aside_until <= timezone.now()
    # PostgreSQL's now() is the beginning of the test's transaction.
    OrderEvent.objects.update(aside_until=F("aside_until") - timedelta(hours=1))
    assert _unsent() == [event.pk]
    line = newest(Wanted(source="buttons"), 1)[0]
    assert (line.who, line.what) == ("admin", "Retry now: mended")


def test_what_is_discarded_is_never_sent_and_counted_no_more(admin_client, event):
    assert services.events_aside() == 1
    assert admin_client.post(f"{LIST}{event.pk}/discard/", {"reason": "no"}).status_code == 200
    assert services.events_aside() == 1, "too short a reason"
    admin_client.post(f"{LIST}{event.pk}/discard/", {"reason": "told them by phone"})
    OrderEvent.objects.update(aside_until=timezone.now() - timedelta(minutes=9))
    assert (_unsent(), services.events_aside()) == ([], 0)
    assert services.mark_sent([event.pk]) == 0
    line = newest(Wanted(source="buttons"), 1)[0]
    assert (line.who, line.what) == ("admin", "Discard: told them by phone")
    assert "discarded" in _text(admin_client.get(LIST))


def test_what_was_sent_meanwhile_is_neither_tried_nor_given_up(admin_client, event):
    services.mark_sent([event.pk])
    for step in ("retry", "discard"):
        answer = admin_client.post(f"{LIST}{event.pk}/{step}/", {"reason": "too late"}, follow=True)
        assert "It does not wait any more" in _text(answer)
    event.refresh_from_db()
    assert event.discarded_at is None
    assert not newest(Wanted(source="buttons"), 1)


def test_the_first_page_counts_them(event):
    (kind,) = (one for one in waiting.KINDS if one.model == "orders.OrderEvent")
    assert kind.count(timezone.now()) == 1
    assert kind.url == f"{LIST}?open=1"


def test_who_may_only_look_has_no_button(client, event):
    ann = User.objects.create_user("ann", is_staff=True)
    ann.user_permissions.set(Permission.objects.filter(codename="view_orderevent"))
    client.force_login(ann)
    page = _text(client.get(f"{LIST}{event.pk}/change/"))
    assert "still out of range" in page
    assert "Retry now" not in page and "/discard/" not in page
