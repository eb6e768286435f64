"""Rate limits."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command

from control_plane.risk import services
from control_plane.risk.models import RateLimit, RiskChange

pytestmark = pytest.mark.django_db

DEFAULTS = [
    {"by": "address", "level": "", "per_s": 3, "burst": 3},
    {"by": "device", "level": "", "per_s": 3, "burst": 3},
    {"by": "shopper", "level": "", "per_s": 3, "burst": 3},
]


def test_everybodys_come_first_and_whole_numbers_have_no_point(create_limit, published):
    create_limit(by="level", level="vip", per_s="0.50", burst=1)
    create_limit(by="device", level="vip", per_s=10)
    create_limit()
    assert published()["rate_limits"] == [
        {"by": "address", "level": "", "per_s": 3, "burst": 5},
        {"by": "device", "level": "vip", "per_s": 10, "burst": 5},
        {"by": "level", "level": "vip", "per_s": 0.5, "burst": 1},
    ]


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"by": "planet"}, "by", "not a valid choice"),
        ({"by": "level"}, "level", "Which level?"),
        ({"level": "VIP"}, "level", "1 to 32 characters of a-z and _"),
        ({"per_s": 0}, "per_s", "greater than or equal to 0.01"),
        ({"per_s": -1}, "per_s", "greater than or equal to 0.01"),
        ({"per_s": "many"}, "per_s", "must be a decimal number"),
        ({"per_s": 1_000_001}, "per_s", "less than or equal to 1000000"),
        ({"burst": 0}, "burst", "greater than or equal to 1"),
        ({"burst": 1_000_001}, "burst", "less than or equal to 1000000"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_created(create_limit, fields, field, reason):
    with pytest.raises(ValidationError) as refused:
        create_limit(**fields)
    assert set(refused.value.message_dict) == {field}
    assert reason in refused.value.message_dict[field][0]
    assert not RateLimit.objects.exists()


def test_there_is_one_of_each(create_limit):
    create_limit()
    create_limit(level="vip")
    with pytest.raises(ValidationError, match="change that one"):
        create_limit(per_s=5)


def test_changing_and_removing_are_published_and_written_down(create_limit, published, now):
    limit = create_limit()
    services.change_limit(limit.pk, {"burst": 9}, None, now)
    assert published()["rate_limits"][0]["burst"] == 9
    services.remove_limit(limit.pk, None, now + timedelta(seconds=1))
    assert published()["rate_limits"] == []
    for call in (
        lambda: services.remove_limit(limit.pk, None, now),
        lambda: services.change_limit(limit.pk, {"burst": 9}, None, now),
    ):
        with pytest.raises(services.LimitGone):
            call()
    trail = RiskChange.objects.order_by("pk")
    assert [change.verb for change in trail] == ["created", "changed", "ended"]
    assert trail[2].title == "address: 3.00/s, 9"


@pytest.mark.django_db(databases=["default", "inventory"])
def test_a_new_installation_has_the_defaults(published):
    call_command("prepare")
    assert published()["rate_limits"] == DEFAULTS
    call_command("prepare")
    assert RateLimit.objects.count() == 3


@pytest.mark.django_db(databases=["default", "inventory"])
def test_an_update_does_not_bring_back_what_was_removed(published, now):
    call_command("prepare")
    for limit in RateLimit.objects.all():
        services.remove_limit(limit.pk, None, now)
    call_command("prepare")
    assert published()["rate_limits"] == []
