"""One look for all viewers; what it says is the database's; what nobody knows is null."""

import asyncio
import json
import threading
import time

import pytest
from django.utils import timezone

from control_plane.board import books, document, look, prometheus
from control_plane.board.books import Units
from control_plane.board.prometheus import Samples
from control_plane.campaigns.models import Campaign
from control_plane.inventory.models import Allocation, Pool
from control_plane.orders.models import Order


async def test_a_hundred_viewers_are_one_look():
    reads = []
    release = threading.Event()

    def read():
        reads.append(threading.get_ident())
        release.wait(10)
        return len(reads)

    shared = look.Shared(read)
    viewers = [asyncio.ensure_future(shared.fresh()) for _ in range(100)]
    # The first of them goes away, and takes nobody's look with him.
    await asyncio.sleep(0)
    viewers[0].cancel()
    release.set()
    assert await asyncio.gather(*viewers[1:]) == [1] * 99
    assert await shared.fresh() == 1
    shared._until = 0.0
    assert await shared.fresh() == 2


async def test_a_look_that_takes_long_is_taken_less_often():
    shared = look.Shared(lambda: 1)
    shared._until = 0.0
    began = time.monotonic()
    await shared.fresh()
    assert shared._until - began < look.KEEP_S + 1
    assert look.KEEP_S < look.KEEP_MAX_S


@pytest.mark.django_db(databases=["default", "inventory"])
def test_units_are_where_the_database_has_them(item, open_epoch, now):
    allocation = open_epoch(units=10)
    Allocation.objects.filter(pk=allocation.pk).update(consumed=2)
    Order.objects.create(
        reservation_id="r-1",
        item=item,
        shard=0,
        epoch=1,
        shopper="ann",
        qty=2,
        amount_minor=2,
        currency="CNY",
        reserved_at=now,
        created_at=now,
        pay_by=now,
    )
    seen = books.units([item.pk])[item.pk]
    assert (seen.total, seen.unpaid, seen.paid, seen.orders) == (10, 2, 0, 1)
    assert (seen.drift, seen.oversold) == (0, 0)
    # The control: a unit that is nowhere is seen.
    Pool.objects.filter(pk=item.pk).update(total=11)
    assert books.units([item.pk])[item.pk].drift == 1


@pytest.mark.django_db(databases=["default", "inventory"])
def test_an_item_that_left_the_board_leaves_the_figures(item):
    def shown():
        text = prometheus_text()
        return f'sluice_item_drift_units{{item="{item.pk}"}}' in text

    Campaign.objects.update(state="live")
    books.read(timezone.now())
    assert shown()
    Campaign.objects.update(state="draft")
    books.read(timezone.now())
    assert not shown()


def prometheus_text():
    from prometheus_client import generate_latest

    return generate_latest().decode()


def test_what_nobody_knows_is_null():
    stages = {
        stage["stage"]: stage for stage in document.funnel(prometheus.EMPTY, prometheus.EMPTY, [])
    }
    assert {stage["total"] for stage in stages.values()} == {None}
    assert document.figures(prometheus.EMPTY)["kafka_lag"] is None
    assert document.processes(prometheus.EMPTY) == []


def _buys(**counts):
    return Samples({"sluice:buys:total": {(("of", of),): count for of, count in counts.items()}})


def test_totals_are_of_this_sale():
    now, then = _buys(reserved=150, sold_out=70), _buys(reserved=100, sold_out=70)
    by_stage = {one["stage"]: one for one in document.funnel(now, then, [_units()])}
    assert by_stage["buy"]["total"] == 50
    assert by_stage["reserved"]["total"] == 50
    assert by_stage["confirmed"]["total"] == 4
    assert document.refusals(now, then) == []


def test_a_gateway_that_began_anew_is_not_counted_backwards():
    by_stage = {
        one["stage"]: one for one in document.funnel(_buys(reserved=5), _buys(reserved=100), [])
    }
    assert by_stage["reserved"]["total"] == 5


def _units():
    return Units(total=10, pool=2, leased=4, unpaid=3, paid=1, orders=4, paid_orders=1)


@pytest.mark.django_db
def test_reserved_is_what_a_shard_took_and_nobody_has_landed(draft):
    item = draft.items.get()
    shard = (("item", str(item.pk)), ("job", "stock-agent"), ("shard", "0"))
    seen = Samples({"sluice_shard_avail": {shard: 1.0}})
    (sale,) = document.sales([draft], {item.pk: _units()}, seen)
    units = sale["items"][0]["units"]
    assert (units["reserved"], units["left"]) == (3, 3)
    (sale,) = document.sales([draft], {item.pk: _units()}, prometheus.EMPTY)
    assert sale["items"][0]["units"]["reserved"] is None


@pytest.mark.django_db(transaction=True, databases=["default", "inventory"])
def test_without_prometheus_the_units_are_shown_and_it_is_said(monkeypatch, approved):
    Campaign.objects.update(state="live")
    board = look.Board()
    monkeypatch.setattr(board, "_ask", _away)
    board._database.look()
    said = json.loads(board._document())
    assert said["sources"]["prometheus"]["error"] == "Prometheus: away"
    assert said["sources"]["prometheus"]["at_ms"] is None
    assert said["campaigns"][0]["items"][0]["units"]["total"] == 10


def _away(now):
    raise prometheus.Unanswered("Prometheus: away")
