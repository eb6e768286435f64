"""What edge and gateways read."""

from datetime import timedelta

import pytest

from control_plane.campaigns import services as campaigns
from control_plane.campaigns.models import Campaign, CampaignState, Item, QueueBucket
from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation
from control_plane.snapshot import document
from control_plane.snapshot.models import Snapshot
from control_plane.switches import services as switches
from control_plane.switches.models import SwitchThrow

pytestmark = pytest.mark.django_db

HOUR_MS = 3_600_000
SHA = "a" * 40
SWITCHES = {
    "sale_enabled": True,
    "queue_mode": "configured",
    "risk_mode": "enforce",
    "human_check": True,
    "rate_limits": 1,
    "canary_percent": 0,
    "console_canary_percent": 0,
    "trace_sampling": 0,
}


def test_a_draft_is_nobodys_business(draft, now):
    built = document.build(now)
    assert (built["campaigns"], built["items"]) == ({}, {})


def test_an_approved_campaign_is_there_with_all_its_fields(approved, item, now, open_epoch):
    allocation = open_epoch()
    inventory.record_armed(allocation.pk, SHA)
    start_ms = round(now.timestamp() * 1000) + HOUR_MS
    built = document.build(now)
    assert built["campaigns"] == {
        "spring": {
            "id": approved.pk,
            "slug": "spring",
            "title": "Spring",
            "merchant": "shop",
            "state": "approved",
            "start_ms": start_ms,
            "end_ms": start_ms + HOUR_MS,
            "items": [item.pk],
        }
    }
    assert built["items"] == {
        str(item.pk): {
            "id": item.pk,
            "campaign": "spring",
            "merchant": "shop",
            "sku": "TEA",
            "title": "Tea",
            "price_minor": 1999,
            "currency": "CNY",
            "units": 10,
            "limit": 1,
            "state": "approved",
            "start_ms": start_ms,
            "end_ms": start_ms + HOUR_MS,
            "path_key": item.path_key,
            "shard_count": 1,
            "shards": [{"shard": 0, "epoch": 1, "sha": SHA, "source": "primary"}],
            "switches": SWITCHES,
            "queue": {
                "mode": "off",
                "buckets": [{"name": "regular", "weight": 10}],
                "k": 4,
                "grace_ms": 30_000,
                "opens_ms": start_ms - 600_000,
                "draw": None,
            },
        }
    }
    assert built["switches"] == SWITCHES
    assert (built["rate_limits"], built["risk_rules"]) == ([], [])
    assert built["stock"] == {"source": "primary", "generation": 0, "lease_ms": 2000}


def test_shards_are_in_their_order_and_only_those_armed_and_selling(item, now, open_epoch):
    for shard in (2, 1, 0, 3):
        allocation = open_epoch(shard)
        if shard != 1:
            inventory.record_armed(allocation.pk, SHA)
    inventory.begin_rearm(Allocation.objects.get(shard=3).pk, "fast", "test")
    shards = document.build(now)["items"][str(item.pk)]["shards"]
    assert [entry["shard"] for entry in shards] == [0, 2]


def test_an_epoch_of_the_database_needs_no_script(item, now, open_epoch):
    inventory.switch_source("database", reason="test", by=None)
    inventory.record_armed(open_epoch().pk, "")
    built = document.build(now)
    assert built["items"][str(item.pk)]["shards"] == [
        {"shard": 0, "epoch": 1, "sha": "", "source": "database"}
    ]
    assert built["stock"] == {"source": "database", "generation": 1, "lease_ms": 2000}


def test_units_and_shard_count_are_those_of_now(item, now):
    Item.objects.update(shards=3)
    inventory.top_up(item.pk, 5, "more", None)
    built = document.build(now)["items"][str(item.pk)]
    assert (built["units"], built["shard_count"]) == (15, 3)


@pytest.mark.parametrize(
    ("wanted", "switched", "asked"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_the_human_check_is_asked_where_campaign_and_switch_want_it(
    approved, item, now, wanted, switched, asked
):
    Campaign.objects.update(human_check=wanted)
    switches.throw("human_check", switched, reason="test", by=None, now=now)
    built = document.build(now)
    assert built["items"][str(item.pk)]["switches"]["human_check"] is asked
    assert built["switches"]["human_check"] is switched


def test_an_ended_campaign_stays_for_a_day(approved, now):
    campaigns.end_now(approved, None, now)
    almost = now + document.ENDED_KEPT_FOR - timedelta(seconds=1)
    assert document.build(almost)["campaigns"]["spring"]["state"] == CampaignState.ENDED
    assert document.build(now + document.ENDED_KEPT_FOR)["campaigns"] == {}


def test_an_item_has_the_state_of_its_campaign(approved, item, now):
    campaigns.open_due(approved.starts_at)
    assert document.build(now)["items"][str(item.pk)]["state"] == CampaignState.LIVE


def test_the_cost_does_not_grow_with_the_campaigns(approved, item, now, django_assert_num_queries):
    several = range(300)
    fields = {"merchant": approved.merchant, "title": "T", "state": "live"}
    times = {"starts_at": approved.starts_at, "ends_at": approved.ends_at}
    others = Campaign.objects.bulk_create(
        Campaign(slug=f"other-{number}", **fields, **times) for number in several
    )
    items = Item.objects.bulk_create(
        Item(campaign=other, sku="S", title="T", units=1, price_minor=1) for other in others
    )
    QueueBucket.objects.bulk_create(QueueBucket(campaign=other, name="vip") for other in others)
    SwitchThrow.objects.bulk_create(
        SwitchThrow(
            name="sale_enabled", scope="item", item=one, value=False, reason="x", created_at=now
        )
        for one in items
    )
    with django_assert_num_queries(10):
        built = document.build(now)
    assert len(built["items"]) == 301
    assert sum(one["switches"]["sale_enabled"] for one in built["items"].values()) == 1


def test_a_year_2026_time_is_exact_to_the_millisecond(now):
    assert document.epoch_ms(now + timedelta(milliseconds=7)) == round(now.timestamp()) * 1000 + 7


def test_entry_keys_are_made_with_the_first_version(approved):
    (key,) = Snapshot.objects.get().document["entry_keys"]
    assert key["sign"] is True
