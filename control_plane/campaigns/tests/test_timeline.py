"""Everything that happened to a campaign, in order and in words."""

from datetime import timedelta

import pytest
from django.utils import translation

from control_plane.campaigns import cloning, item_csv, services
from control_plane.campaigns.models import Campaign
from control_plane.campaigns.timeline import timeline
from control_plane.inventory import services as inventory
from control_plane.orders.models import Order, OrderState

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@pytest.fixture
def told(draft, maker, checker, now):
    """A campaign to which most things happened."""
    services.note_edit(draft, maker, now, fields=["title", "units"])
    services.submit(draft, maker, now + MINUTE, "please")
    services.return_draft(draft, checker, now + 2 * MINUTE, "dear")
    services.submit(draft, maker, now + 3 * MINUTE)
    services.approve(draft, checker, now + 4 * MINUTE, comment="fine")
    start = draft.starts_at
    services.open_due(start)
    campaign = Campaign.objects.get(pk=draft.pk)
    services.pause(campaign, None, "robots", checker, start + MINUTE)
    services.resume(campaign, None, "gone", checker, start + 2 * MINUTE)
    services.extend(
        campaign, campaign.ends_at + 60 * MINUTE, "popular", checker, start + 3 * MINUTE
    )
    services.end_now(campaign, checker, start + 4 * MINUTE, "enough")
    return Campaign.objects.get(pk=draft.pk)


def test_it_tells_in_order_what_people_and_the_clock_did(told):
    said = [(one.words, one.why, one.who) for one in timeline(told)]
    wanted = [
        ("Edited: title, units", "", "maker"),
        ("Submitted for approval", "please", "maker"),
        ("Returned to its makers", "dear", "checker"),
        ("Submitted for approval", "", "maker"),
        ("Approved and published", "fine", "checker"),
        ("The sale opened", "", "the clock"),
        ("Switch thrown · Selling: off (Spring)", "robots", "checker"),
        ("Resumed", "gone", "checker"),
        ("End moved from 2026-11-22 14:00:00 to 2026-11-22 15:00:00", "popular", "checker"),
        ("Ended early", "enough", "checker"),
    ]
    assert [one for one in said if one in wanted] == wanted
    assert ("Switch reverted · Selling: off (Spring)", "", "checker") in said
    assert any(words.startswith("Published to edge and gateways as version") for words, *_ in said)


def test_it_tells_of_units_shards_and_selling_out(approved, item, open_epoch, now, checker):
    allocation = open_epoch(units=4)
    inventory.top_up(item.pk, 2, "more came", checker)
    inventory.begin_rearm(allocation.pk, "fast", "node lost")
    Order.objects.create(
        reservation_id="r",
        item=item,
        shard=0,
        epoch=1,
        shopper="u",
        qty=12,
        amount_minor=1,
        currency="CNY",
        state=OrderState.PAID,
        reserved_at=now,
        created_at=now,
        pay_by=now,
    )
    said = {one.words: one for one in timeline(approved)}
    assert said["TEA: 2 units added"].why == "more came"
    assert said["TEA: shard 0 fenced, its epoch 1 ends"].why == "node lost"
    assert said["TEA sold out: all 12 units"].at == now


def test_a_copy_and_an_import_say_so(approved, maker, now):
    copy = cloning.clone(approved, maker, now)
    header = b"sku,title,units,price_minor\n"
    item_csv.run(copy, header + b"CUP,Cup,5,500\nTEA,Tea,9,1", maker, now)
    assert [one.words for one in timeline(copy)] == [
        "Created as a copy of “spring”",
        "Items imported: 1 new, 1 changed",
    ]


def test_one_of_before_steps_were_kept_has_what_its_row_says(merchant, checker, now):
    old = Campaign.objects.create(
        merchant=merchant,
        slug="old",
        title="Old",
        starts_at=now,
        ends_at=now + MINUTE,
        approved_at=now,
        approved_by=checker,
        ended_at=now + MINUTE,
    )
    said = {one.words: one for one in timeline(old)}
    assert set(said) == {"Created", "Approved and published", "Ended"}
    assert said["Approved and published"].who == "checker"


def test_it_speaks_chinese(told):
    with translation.override("zh-hans"):
        words = [one.words for one in timeline(told)]
    assert "提交审批" in words


def test_its_queries_are_few(told, django_assert_max_num_queries):
    with django_assert_max_num_queries(14):
        timeline(told)
