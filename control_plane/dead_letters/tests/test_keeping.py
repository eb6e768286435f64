"""The retry table takes each dead letter once, and whatever stands in it."""

import pytest

from control_plane.dead_letters.models import DeadLetter
from control_plane.dead_letters.services import Letter, backlog, keep
from control_plane.dead_letters.tests.conftest import message

pytestmark = pytest.mark.django_db(transaction=True)


def _letter(**said):
    one = Letter(
        source="reservations",
        source_name="reservations",
        topic="reservations",
        partition=0,
        offset=7,
        payload=b"rubbish",
        error_kind="invalid",
        error="value: not JSON",
    )
    return one._replace(**said)


def test_a_letter_comes_once_however_often_it_is_told(item, now):
    for _ in range(3):
        keep([_letter(), _letter()], now)
    assert DeadLetter.objects.count() == 1


def test_the_same_place_of_a_topic_that_was_made_anew_is_another_letter(item, now):
    keep([_letter()], now)
    keep([_letter(payload=b"other rubbish")], now)
    assert DeadLetter.objects.count() == 2


def test_each_consumer_of_a_message_has_a_letter_of_its_own(item, now):
    event = _letter(source="order_events", topic="order-events")
    keep([event._replace(consumer=name) for name in ("order-courier", "webhook-consumer")], now)
    keep([event._replace(consumer="order-courier")], now)
    assert DeadLetter.objects.filter(state="pending").count() == 2


def test_what_can_be_read_is_found_by_its_reservation(item, now, letter):
    kept = letter("ann")
    assert kept.shopper == "ann"
    assert kept.reservation_id.startswith(f"{item.pk}-0-")
    assert (kept.state, kept.attempts, (kept.next_at - now).seconds) == ("pending", 0, 60)


@pytest.mark.parametrize("payload", [b"", b"\0\xff", b"x" * 500_000])
def test_anything_is_kept_as_it_came(item, now, payload):
    keep([_letter(payload=payload, error="\0" + "x" * 600)], now)
    row = DeadLetter.objects.get()
    assert bytes(row.payload) == payload
    assert (row.reservation_id, len(row.error)) == ("", 500)


def test_what_nothing_here_can_retry_is_an_exception_order_at_once(item, now):
    keep([_letter(source="other", source_name="order-events")], now)
    row = DeadLetter.objects.get()
    assert (row.state, row.error_kind, row.error) == ("exception", "no_retry", "value: not JSON")


def test_the_backlog_counts_what_waits_for_somebody(item, now):
    assert backlog() == (0, 0, None)
    keep([_letter(offset=n) for n in range(3)], now)
    keep([_letter(offset=9, source="other", payload=message(item.pk, "ann"))], now)
    assert backlog() == (3, 1, now)
    DeadLetter.objects.update(state="done", finished_at=now)
    assert backlog() == (0, 0, None)
