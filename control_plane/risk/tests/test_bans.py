"""Bans: idempotent, extended and never shortened, whoever asks and however often."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from control_plane.risk import services
from control_plane.risk.models import Ban, RiskChange
from control_plane.snapshot.models import Snapshot

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
DEVICE = "a1b2c3d4"


@pytest.fixture
def ban(now):
    def build(minutes, value=DEVICE, kind="device", source="scorer", at=now, **how):
        return services.ban(kind, value, at + minutes * MINUTE, "robot", source, now=at, **how)

    return build


def test_a_longer_ban_extends_and_a_shorter_one_changes_nothing(ban, now):
    first = ban(5)
    assert ban(5) == first
    assert ban(3) == first
    longer = ban(10, source="person")
    assert longer == first
    assert (longer.until, longer.source) == (now + 10 * MINUTE, "person")
    assert ban(7).source == "person"
    assert [one.until for one in services.active_bans(now)] == [now + 10 * MINUTE]


def test_after_it_ran_out_the_next_one_is_a_new_one(ban, now):
    first = ban(5)
    second = ban(5, at=now + 5 * MINUTE)
    assert first != second
    first.refresh_from_db()
    assert (first.ended_at, first.lifted_by) == (now + 5 * MINUTE, None)
    assert services.active_bans(now + 6 * MINUTE) == [second]


def test_it_is_in_force_until_its_time_and_not_longer(ban, now):
    one = ban(5)
    assert services.active_bans(now + 5 * MINUTE - timedelta(milliseconds=1)) == [one]
    assert services.active_bans(now + 5 * MINUTE) == []


def test_the_clock_closes_what_ran_out(ban, now):
    ban(5)
    ban(9, value="b1b2c3d4")
    assert services.close_run_out(now + 5 * MINUTE) == 1
    assert services.close_run_out(now + 5 * MINUTE) == 0
    assert list(Ban.objects.filter(ended_at=None).values_list("value", flat=True)) == ["b1b2c3d4"]


def test_a_lifted_ban_is_over_and_may_come_again(ban, now):
    user = User.objects.create(username="ann")
    one = ban(5)
    lifted = services.lift(one, user, now)
    assert (lifted.ended_at, lifted.lifted_by) == (now, user)
    assert services.active_bans(now) == []
    with pytest.raises(services.BanOver):
        services.lift(one, user, now)
    assert ban(5) != one


def test_what_ran_out_cannot_be_lifted(ban, now):
    with pytest.raises(services.BanOver):
        services.lift(ban(5), None, now + 5 * MINUTE)


def test_the_scorer_hears_of_every_change(ban, now):
    one, other = ban(5), ban(5, value="b1b2c3d4")
    later = now + MINUTE
    assert services.bans_changed_since(now) == [one, other]
    assert services.bans_changed_since(later) == []
    services.lift(one, None, later)
    assert [one.ended_at for one in services.bans_changed_since(later)] == [later]
    ban(9, value="b1b2c3d4", at=later + MINUTE)
    assert services.bans_changed_since(later + MINUTE) == [other]


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        ("address", "2001:DB8:0::1", "2001:db8::1"),
        ("network", "203.0.113.0/24", "203.0.113.0/24"),
        ("network", "2001:DB8::/32", "2001:db8::/32"),
        ("shopper", "u:1", "u:1"),
    ],
)
def test_a_value_is_written_in_one_way(ban, kind, value, stored):
    assert ban(5, value, kind).value == ban(6, value, kind).value == stored
    assert Ban.objects.count() == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"kind": "planet"}, "kind"),
        ({"value": "short"}, "value"),
        ({"value": "300.1.1.1", "kind": "address"}, "value"),
        ({"value": "10.0.0.1/8", "kind": "network"}, "value"),
        ({"value": "a b", "kind": "shopper"}, "value"),
        ({"minutes": 0}, "until"),
    ],
)
def test_a_wrong_field_is_named_and_nobody_is_banned(ban, wrong, field):
    with pytest.raises(ValidationError) as refused:
        ban(**({"minutes": 5} | wrong))
    assert set(refused.value.message_dict) == {field}
    assert not Ban.objects.exists()


def test_an_unknown_source_is_the_callers_mistake(ban):
    with pytest.raises(ValueError, match="nobody"):
        ban(5, source="nobody")


def test_people_leave_a_trail_and_the_scorers_extensions_do_not(ban, now):
    user = User.objects.create(username="ann")
    ban(5)
    ban(6)
    ban(7, source="person", by=user)
    ban(6, source="person", by=user)  # changes nothing
    services.lift(Ban.objects.get(), user, now)
    trail = RiskChange.objects.order_by("pk")
    assert [(change.verb, str(change.by or "")) for change in trail] == [
        ("created", ""),
        ("changed", "ann"),
        ("ended", "ann"),
    ]


def test_bans_are_not_in_the_snapshot(ban):
    ban(5)
    assert not Snapshot.objects.exists()
