"""One campaign that cannot be ended, settled or expired does not hold up the others."""

from datetime import timedelta

import pytest
from django.db import connection

from control_plane.campaigns import services as campaigns
from control_plane.campaigns import settling
from control_plane.campaigns.models import Campaign, CampaignState
from control_plane.inventory import services as inventory
from control_plane.inventory.models import Pool
from control_plane.orders import projection
from control_plane.orders.models import Order
from control_plane.orders.services import expire_due

pytestmark = pytest.mark.django_db(transaction=True)

BROKEN = 25


@pytest.fixture(autouse=True)
def no_projection(monkeypatch):
    monkeypatch.setattr(projection, "_work_redis", lambda: None)
    monkeypatch.setattr(projection, "write", lambda work_redis, some: None)


@pytest.fixture
def new_campaign(merchant, now):
    def build(slug):
        draft = campaigns.create_draft(
            merchant,
            slug=slug,
            title=slug,
            starts_at=now + timedelta(hours=1),
            ends_at=now + timedelta(hours=2),
            items=[{"sku": slug.upper(), "title": "Tea", "units": 10, "price_minor": 1999}],
        )
        return campaigns.approve(draft, by=None, now=now)

    return build


def _ended(campaign, at):
    Campaign.objects.filter(pk=campaign.pk).update(state=CampaignState.ENDED, ended_at=at)


def _order(campaign, now):
    item = campaign.items.get()
    Pool.objects.filter(pk=item.pk).update(unallocated=9)
    return Order.objects.create(
        reservation_id=f"{item.pk}-0-{1:022d}",
        item=item,
        shard=0,
        epoch=0,
        shopper="ann",
        qty=1,
        amount_minor=1999,
        currency="CNY",
        reserved_at=now,
        created_at=now,
        pay_by=now,
    )


def test_campaigns_whose_books_do_not_balance_do_not_keep_others_from_being_settled(
    new_campaign, now
):
    """More of them than a run takes, and all of them over for longer."""
    for number in range(BROKEN):
        broken = new_campaign(f"broken-{number}")
        _ended(broken, now)
        Pool.objects.filter(item__campaign=broken).update(unallocated=9)
    good = new_campaign("good")
    _ended(good, now + timedelta(minutes=1))
    later = now + timedelta(hours=3)
    # Two runs, of twenty each.
    assert settling.settle_due(later) + settling.settle_due(later + timedelta(seconds=5)) == 1
    assert Campaign.objects.get(settled_at__isnull=False) == good
    # People mend one; the clock comes back to it.
    Pool.objects.filter(item__campaign__slug="broken-0").update(unallocated=10)
    assert settling.settle_due(later + timedelta(minutes=1)) == 0
    assert settling.settle_due(later + settling.PAUSE + timedelta(seconds=5)) == 1


def test_a_campaign_without_a_pool_does_not_either(new_campaign, now):
    broken, good = new_campaign("broken"), new_campaign("good")
    Pool.objects.filter(item__campaign=broken).delete()
    _ended(broken, now)
    _ended(good, now)
    assert settling.settle_due(now) == 1
    assert Campaign.objects.get(settled_at__isnull=False) == good


@pytest.fixture
def refuses():
    """Make PostgreSQL refuse every change of an item's pool, until the test is over."""

    def arrange(item):
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                CREATE FUNCTION refuse_one() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'broken'; END $$;
                CREATE TRIGGER refuse_one BEFORE UPDATE ON inventory_pool FOR EACH ROW
                WHEN (OLD.item_id = {item.pk}) EXECUTE FUNCTION refuse_one();
                """
            )

    yield arrange
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION IF EXISTS refuse_one CASCADE")


def test_orders_of_one_item_that_cannot_expire_do_not_keep_others(new_campaign, now, refuses):
    broken, good = new_campaign("broken"), new_campaign("good")
    _order(broken, now - timedelta(minutes=1))
    sound = _order(good, now)
    refuses(broken.items.get())
    failing = set[int]()
    # The broken item's orders are first in line, and fill a step of one.
    assert expire_due(now, 1, failing) == 0
    assert failing == {broken.items.get().pk}
    assert expire_due(now, 1, failing) == 1
    assert Order.objects.get(state="expired") == sound


def test_a_campaign_that_cannot_be_ended_does_not_keep_others_on_sale(
    new_campaign, now, monkeypatch
):
    broken, good = new_campaign("broken"), new_campaign("good")
    end_sale = inventory.end_sale

    def refuse(item_ids):
        items = list(item_ids)
        if broken.items.get().pk in items:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 / 0")
        end_sale(items)

    monkeypatch.setattr(inventory, "end_sale", refuse)
    later = now + timedelta(hours=2)
    assert campaigns.end_due(later) == 1
    states = dict(Campaign.objects.values_list("slug", "state"))
    assert states == {"broken": "approved", "good": "ended"}
    assert good.slug in states
    monkeypatch.undo()
    assert campaigns.end_due(later) == 1
