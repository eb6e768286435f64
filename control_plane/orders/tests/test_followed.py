"""What a purchase that is followed carries, and what is kept of it."""

from datetime import UTC, datetime, timedelta

import pytest

from control_plane.orders.followed import KEPT, FollowedRow, forget_followed, note_followed
from control_plane.orders.intent import fields_of, quick, read_fields
from control_plane.orders.line import BadLine, read
from control_plane.orders.models import FollowedReservation

TRACE = f"{'4b' * 16}-{'0f' * 8}"
LINE = f"ann 7-0-{'a' * 22}=1 device-1 regular 1800000000000"
NOW = datetime(2026, 11, 26, tzinfo=UTC)


def test_a_line_with_a_trace_is_the_same_purchase_and_its_message_says_so():
    plain, followed = read(LINE, 7, 0, 3), read(f"{LINE} {TRACE}", 7, 0, 3)
    assert (plain.trace, followed.trace) == ("", TRACE)
    assert plain[:3] == followed[:3]
    assert quick(plain.value.encode()) == read_fields(fields_of(followed.value.encode()))


def test_only_a_message_with_a_trace_is_kept_from_the_quick_reader():
    assert quick(read(LINE, 7, 0, 3).value.encode()) is not None
    followed = read(f"{LINE} {TRACE}", 7, 0, 3).value.encode()
    assert quick(followed) is None
    assert fields_of(followed)["trace"] == TRACE


@pytest.mark.parametrize(
    "tail", [" ", " x", f" {TRACE}x", f" {TRACE.upper()}", f" {TRACE} {TRACE}"]
)
def test_anything_else_behind_a_line_is_refused(tail):
    with pytest.raises(BadLine):
        read(LINE + tail, 7, 0, 3)


@pytest.mark.django_db
def test_it_is_noted_once_and_forgotten_in_time():
    row = FollowedRow(f"7-0-{'a' * 22}", TRACE[:32], "1-0", "reservations", 3, 17)
    note_followed([row], NOW)
    note_followed([row._replace(offset=99)], NOW)
    assert FollowedReservation.objects.get().offset == 17
    assert forget_followed(NOW + KEPT - timedelta(seconds=1)) == 0
    assert forget_followed(NOW + KEPT + timedelta(seconds=1)) == 1
