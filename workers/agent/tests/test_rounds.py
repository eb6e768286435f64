"""One item's trouble is its own; what a round costs; the figures on the board."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from control_plane.campaigns import services as campaigns
from control_plane.campaigns.models import Campaign, Item
from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation
from control_plane.merchants.models import Merchant
from tests.redis.waiting import until
from workers.runtime import metrics
from workers.stock import shard as shards

pytestmark = pytest.mark.django_db(transaction=True)

ITEMS = 50


def test_a_node_that_hangs_holds_up_nobody_elses_units(agent, sale, masters):
    sale.open(agent)
    sale.go_live()
    hung = sale.epoch(0)
    sale.sell_out(1)
    masters[0].freeze()
    try:
        agent.round()
        assert sale.avail(1) > 0, "it has got some of shard 2's"
        calls = _calls(agent)
        # It rests now: nothing is asked of it, so nobody waits for it.
        agent.round()
        assert _calls(agent) == calls
        assert sale.selling(0).epoch == hung.epoch
    finally:
        masters[0].thaw()
    until(lambda: agent.round() is None, "it is seen again")


def _calls(agent):
    kind = metrics.STOCK_REDIS_ERRORS.labels("test", "TimeoutError")
    return kind._value.get()


def test_trouble_with_one_item_stops_no_other(agent, sale, item, monkeypatch):
    sale.open(agent)
    sale.go_live()
    other = more_items(1)[0]
    real = inventory.begin_grant

    def refuse(allocation_id, qty):
        if Allocation.objects.get(pk=allocation_id).item_id == item.pk:
            raise inventory.NotEnoughUnits(item.pk, qty)
        return real(allocation_id, qty)

    monkeypatch.setattr(inventory, "begin_grant", refuse)
    inventory.top_up(item.pk, 5, "test", None)
    problem = agent.round()
    assert str(item.pk) in str(problem)
    agent.round()
    granted = Allocation.objects.filter(item=other).values_list("granted", flat=True)
    assert sum(granted) == 30


def test_an_epoch_that_ends_during_a_round_is_left_alone(agent, sale, monkeypatch):
    """Another agent or an operator was quicker; what was seen of it says nothing any more."""
    sale.open(agent)
    sale.go_live()
    inventory.top_up(sale.item.pk, 9, "test", None)
    look = shards.look

    def looked(*args):
        seen = look(*args)
        sale.rearm(1, "full")
        return seen

    with monkeypatch.context() as context:
        context.setattr(shards, "look", looked)
        agent.round()
    assert Allocation.objects.get(shard=1).granted == 10
    assert sale.avail(0) + sale.avail(2) > 20


def more_items(count):
    merchant = Merchant.objects.get()
    now = datetime.now(UTC)
    draft = campaigns.create_draft(
        merchant,
        slug="more",
        title="More",
        starts_at=now + timedelta(seconds=30),
        ends_at=now + timedelta(hours=1),
        items=[
            {"sku": f"TEA-{n}", "title": "Tea", "units": 30, "price_minor": 1999}
            for n in range(count)
        ],
    )
    campaigns.approve(draft, by=None, now=now)
    Item.objects.filter(campaign=draft).update(shards=3)
    return list(draft.items.all())


def test_a_round_over_many_shards_is_short(agent, sale):
    """The figure is printed; the bound only says that nothing is asked for each shard alone."""
    more_items(ITEMS - 1)

    def all_armed():
        agent.round()
        armed = Allocation.objects.filter(state="selling").exclude(script_sha="")
        return armed.count() == 3 * ITEMS and not agent.has_moved

    until(all_armed, "all are armed", deadline_s=120)
    seconds = []
    for _ in range(10):
        started = time.monotonic()
        agent.round()
        seconds.append(time.monotonic() - started)
    print(f"idle round over {ITEMS} items × 3 shards: {sorted(seconds)[5] * 1000:.0f} ms")
    assert min(seconds) < 2


def test_an_idle_round_asks_as_much_for_many_items_as_for_one(agent, sale):
    def statements():
        with CaptureQueriesContext(connection) as seen:
            agent.round()
        return len(seen)

    sale.open(agent)
    one = statements()
    more_items(3)
    armed = Allocation.objects.filter(state="selling").exclude(script_sha="")
    sale.rounds_until(agent, lambda: armed.count() == 12 and not agent.has_moved, "all are armed")
    assert statements() == one <= 8


def test_the_figures_of_an_ended_sale_disappear(agent, sale, item):
    sale.open(agent)
    assert (str(item.pk), "2") in metrics.SHARD_AVAIL._metrics
    assert metrics.SHARD_AVAIL.labels(item.pk, 2)._value.get() == 10
    Campaign.objects.update(state="ended")
    agent.round()
    assert (str(item.pk), "2") not in metrics.SHARD_AVAIL._metrics
    assert (str(item.pk),) not in metrics.POOL_UNALLOCATED._metrics
    agent.round()


def test_the_figures_say_what_does_not_sell(agent, sale, item, masters):
    sale.open(agent)
    fenced = [metrics.SHARD_FENCED.labels(item.pk, shard) for shard in range(3)]
    assert [one._value.get() for one in fenced] == [0, 0, 0]
    sale.rearm(1, "full")
    agent.round()
    assert [one._value.get() for one in fenced] == [0, 1, 0]
    stages = [metrics.REARMS_OPEN.labels(stage) for stage in ("fenced", "disarmed", "drained")]
    assert sum(one._value.get() for one in stages) == 1
