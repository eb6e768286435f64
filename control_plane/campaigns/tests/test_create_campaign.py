"""`python -m control_plane create_campaign`."""

import json

import pytest
from django.core.management import CommandError, call_command

from control_plane.campaigns.models import Campaign, CampaignState
from control_plane.warehouse.models import Stock

pytestmark = pytest.mark.django_db(databases=["default", "inventory"])

OPTIONS = {
    "slug": "spring",
    "title": "Spring",
    "units": 10,
    "price_minor": 1999,
    "limit": 2,
    "starts_in_s": 5,
    "lasts_s": 60,
}


def _create(capsys, **options):
    call_command("create_campaign", **(OPTIONS | options))
    return json.loads(capsys.readouterr().out)


def test_it_prints_an_approved_campaign_of_the_demo_shop(capsys):
    printed = _create(capsys, approve=True)
    campaign = Campaign.objects.get(slug="spring")
    item = campaign.items.get()
    assert printed == {
        "id": campaign.pk,
        "slug": "spring",
        "merchant": "demo",
        "state": CampaignState.APPROVED,
        "start_ms": round(campaign.starts_at.timestamp() * 1000),
        "end_ms": round(campaign.starts_at.timestamp() * 1000) + 60_000,
        "human_check": True,
        "items": [
            {
                "id": item.pk,
                "sku": "SPRING",
                "units": 10,
                "limit": 2,
                "price_minor": 1999,
                "path_key": item.path_key,
                "queue_mode": "off",
            }
        ],
        "buckets": [],
    }
    assert item.pool.unallocated == 10


def test_it_stocks_the_warehouse(capsys):
    _create(capsys)
    assert Stock.objects.get(sku="SPRING").on_hand == 10


def test_it_sets_up_the_queue(capsys):
    argv = [f"--{name.replace('_', '-')}={value}" for name, value in OPTIONS.items()]
    buckets = ["--bucket", "vip=3", "--bucket", "regular=1"]
    call_command("create_campaign", *argv, "--queue-mode", "draw", *buckets)
    printed = json.loads(capsys.readouterr().out)
    assert printed["items"][0]["queue_mode"] == "draw"
    assert printed["buckets"] == [{"name": "vip", "weight": 3}, {"name": "regular", "weight": 1}]


@pytest.mark.parametrize("bucket", ["vip", "vip=", "=3", "vip=-1", "vip=1.5"])
def test_a_bucket_is_a_name_and_a_weight(bucket):
    argv = [f"--{name.replace('_', '-')}={value}" for name, value in OPTIONS.items()]
    with pytest.raises(CommandError, match="NAME=WEIGHT"):
        call_command("create_campaign", *argv, "--bucket", bucket)


def test_it_can_do_without_the_human_check(capsys):
    _create(capsys, without_human_check=True)
    assert not Campaign.objects.get(slug="spring").human_check


def test_without_approve_it_stays_a_draft(capsys):
    assert _create(capsys)["state"] == CampaignState.DRAFT


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"units": 0}, "units"),
        ({"lasts_s": 0}, "The end must be after the start."),
        ({"slug": "no spaces"}, "slug"),
        ({"bucket": [{"name": "VIP", "weight": 1}]}, "Only the letters a-z and _."),
        ({"starts_in_s": -5, "approve": True}, "The start has passed."),
    ],
)
def test_what_it_refuses_leaves_nothing_behind(options, reason):
    with pytest.raises(CommandError, match=reason):
        call_command("create_campaign", **(OPTIONS | options))
    assert not Campaign.objects.exists()
    assert not Stock.objects.exists()
