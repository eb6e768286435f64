"""How a campaign's queue is set up, and what the snapshot says of it."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError

from control_plane.campaigns import services
from control_plane.campaigns.models import Campaign, Item
from control_plane.risk.models import RiskRule
from control_plane.snapshot import document

pytestmark = pytest.mark.django_db

ITEM = {"sku": "TEA", "title": "Tea", "units": 10, "price_minor": 1999, "queue_mode": "fifo"}


@pytest.fixture
def create(merchant, now):
    def build(**fields):
        return services.create_draft(
            merchant,
            slug="spring",
            title="Spring",
            starts_at=now + timedelta(hours=1),
            ends_at=now + timedelta(hours=2),
            items=[ITEM],
            **fields,
        )

    return build


def _buckets(*names_and_weights):
    return [{"name": name, "weight": weight} for name, weight in names_and_weights]


def _queue(campaign, now):
    built = document.build(now)["items"]
    return built[str(Item.objects.get(campaign=campaign).pk)]["queue"]


def _slow_rule(now):
    return RiskRule.objects.create(
        kind="score", action="slow", min_score=50, note="robots", created_at=now
    )


def test_the_snapshot_says_what_was_set_up(create, now):
    buckets = _buckets(("vip", 3), ("first_time", 2), ("regular", 1))
    campaign = create(queue_k=5, queue_grace_s=60, lobby_minutes=15, buckets=buckets)
    services.approve(campaign, None, now)
    assert _queue(campaign, now) == {
        "mode": "fifo",
        "buckets": buckets,
        "k": 5,
        "grace_ms": 60_000,
        "opens_ms": document.epoch_ms(now + timedelta(minutes=45)),
        "draw": None,
    }


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"queue_k": 1}, "queue_k", "greater than or equal to 2"),
        ({"queue_k": 11}, "queue_k", "less than or equal to 10"),
        ({"queue_grace_s": 4}, "queue_grace_s", "greater than or equal to 5"),
        ({"lobby_minutes": 0}, "lobby_minutes", "greater than or equal to 1"),
        ({"pay_minutes": 0}, "pay_minutes", "greater than or equal to 1"),
        ({"pay_minutes": 1441}, "pay_minutes", "less than or equal to 1440"),
        ({"buckets": _buckets(("VIP", 1))}, "name", "Only the letters a-z and _."),
        ({"buckets": _buckets(("vip\n", 1))}, "name", "Only the letters a-z and _."),
        ({"buckets": _buckets(("v" * 33, 1))}, "name", "at most 32 characters"),
        ({"buckets": _buckets(("vip", 0))}, "weight", "greater than or equal to 1"),
        ({"buckets": _buckets(("vip", 1001))}, "weight", "less than or equal to 1000"),
        ({"buckets": _buckets(("vip", 1), ("vip", 2))}, "__all__", "a bucket for this level"),
        ({"buckets": _buckets(*((c, 1) for c in "abcdefghijklmnopq"))}, "buckets", "At most 16"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_is_created(create, fields, field, reason):
    with pytest.raises(ValidationError) as refused:
        create(**fields)
    assert set(refused.value.message_dict) == {field}
    assert reason in refused.value.message_dict[field][0]
    assert not Campaign.objects.exists()


def test_risk_rules_that_slow_get_a_light_bucket_before_the_last(create, now):
    _slow_rule(now)
    campaign = create(buckets=_buckets(("vip", 30), ("regular", 20)))
    services.approve(campaign, None, now)
    expected = _buckets(("vip", 30), ("slow", 2), ("regular", 20))
    assert _queue(campaign, now)["buckets"] == expected


def test_the_only_bucket_stays_the_last(create, now):
    _slow_rule(now)
    campaign = create()
    services.approve(campaign, None, now)
    assert _queue(campaign, now)["buckets"] == _buckets(("slow", 1), ("regular", 10))


def test_a_slow_bucket_of_ones_own_is_kept(create, now):
    _slow_rule(now)
    buckets = _buckets(("slow", 7), ("regular", 20))
    campaign = create(buckets=buckets)
    services.approve(campaign, None, now)
    assert _queue(campaign, now)["buckets"] == buckets


def test_sixteen_buckets_stay_sixteen(create, now):
    _slow_rule(now)
    buckets = _buckets(*((c, 1) for c in "abcdefghijklmnop"))
    campaign = create(buckets=buckets)
    services.approve(campaign, None, now)
    assert _queue(campaign, now)["buckets"] == buckets


def test_a_rule_that_comes_after_the_approval_moves_no_bucket(create, now):
    """Tickets carry a bucket's place."""
    campaign = create(buckets=_buckets(("vip", 3), ("regular", 1)))
    services.approve(campaign, None, now)
    before = _queue(campaign, now)
    _slow_rule(now)
    assert _queue(campaign, now) == before


def test_a_rule_whose_time_is_up_asks_for_no_bucket(create, now):
    RiskRule.objects.filter(pk=_slow_rule(now).pk).update(until=now)
    campaign = create()
    services.approve(campaign, None, now)
    assert _queue(campaign, now)["buckets"] == _buckets(("regular", 10))
