"""How an epoch begins: opened, claimed, rebuilt, armed, published, given units."""

import random
from datetime import timedelta
from typing import Any

import pytest

from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation, Grant, Pool, Rearm
from control_plane.snapshot.models import Snapshot
from workers.agent.rounds import StockAgent
from workers.stock import scripts
from workers.stock import shard as shards
from workers.stock.cluster import StockClusters
from workers.stock.keys import Shard, slot_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_item_that_starts_soon_is_armed_granted_and_published(agent, sale, item):
    sale.open(agent)
    assert sale.avails() == [10, 10, 10]
    assert Pool.objects.get().unallocated == 0
    assert not Grant.objects.filter(applied_at=None).exists()
    published = Snapshot.objects.latest("version").document["items"][str(item.pk)]
    assert [(one["shard"], one["epoch"], one["sha"]) for one in published["shards"]] == [
        (number, sale.epoch(number).epoch, scripts.reserve_for(sale.epoch(number)).sha)
        for number in range(3)
    ]
    assert [sale.buy(sale.shopper_of(shard)) for shard in range(3)] == ["R", "R", "R"]


def test_a_second_round_changes_nothing(agent, sale):
    sale.open(agent)
    before = (Allocation.objects.count(), Grant.objects.count(), Snapshot.objects.count())
    assert agent.round() is None
    assert not agent.has_moved
    after = (Allocation.objects.count(), Grant.objects.count(), Snapshot.objects.count())
    assert after == before
    assert sale.avails() == [10, 10, 10]


def test_every_shard_lies_on_a_master_of_its_own(agent, sale):
    sale.open(agent)
    assert [slot_of(sale.epoch(shard).tag) * 3 // 2**14 for shard in range(3)] == [0, 1, 2]


def test_an_item_that_starts_later_than_the_lead_is_left_alone(new_agent, item):
    new_agent(lead=timedelta(seconds=5)).round()
    assert not Allocation.objects.exists()


def test_a_live_item_is_armed_whenever_it_started(new_agent, sale):
    sale.go_live()
    sale.open(new_agent(lead=timedelta(0)))
    assert sale.avails() == [10, 10, 10]


STEPS = ["open", "claim", "rebuild", "arm", "publish", "begin grant", "grant", "mark"]


@pytest.mark.parametrize("last", range(len(STEPS) + 1), ids=["nothing", *STEPS])
def test_a_new_agent_goes_on_where_a_dead_one_stopped_after(last, new_agent, sale, item):
    _begin_by_hand(sale, item, STEPS[:last])
    sale.open(new_agent())
    assert sale.avails() == [10, 10, 10]
    for row in Allocation.objects.all():
        shard = sale.epoch(row.shard)
        assert row.granted == 10
        assert sum(map(int, sale.node(shard).hvals(shard.grants))) == 10
        assert not inventory.pending_grants(row.pk)
        assert row.script_sha
    assert Allocation.objects.count() == 3
    assert sale.buy(sale.shopper_of(0)) == "R"


def _begin_by_hand(sale, item, steps):
    cluster = sale.clusters["primary"]
    if "open" in steps:
        epoch = shards.next_epoch(0, item.pk, 0, cluster.place_for(0))
        row: Any = inventory.open_epoch(item.pk, 0, after=0, epoch=epoch, source="primary")
        shard = Shard(item.pk, 0, epoch)
        life = shards.life_of(cluster, shard)
    if "claim" in steps:
        inventory.claim_life(row.pk, life)
    if "rebuild" in steps:
        shards.rebuild(cluster, shard, life, [("somebody", f"{item.pk}-0-x", 1)])
    if "arm" in steps:
        sha = shards.arm(cluster, shard, life, 3, 1)
    if "publish" in steps:
        inventory.record_armed(row.pk, sha)
    if "begin grant" in steps:
        grant = inventory.begin_grant(row.pk, 7)
    if "grant" in steps:
        shards.grant(cluster, shard, grant.pk, 7)
    if "mark" in steps:
        inventory.mark_grant_applied(grant.pk)


def test_an_epoch_of_another_life_is_never_armed(agent, sale, item):
    """Another agent has claimed it for the master that it takes for the right one."""
    cluster = sale.clusters["primary"]
    epoch = shards.next_epoch(0, item.pk, 0, cluster.place_for(0))
    taken = inventory.open_epoch(item.pk, 0, after=0, epoch=epoch, source="primary")
    assert taken
    inventory.claim_life(taken.pk, "a" * 40)
    sale.open(agent)
    assert Rearm.objects.get().allocation_id == taken.pk
    assert not sale.node(Shard(item.pk, 0, epoch)).exists(Shard(item.pk, 0, epoch).ctl)
    assert sale.selling(0).epoch > epoch
    assert sale.avails() == [10, 10, 10]


def test_two_agents_at_once_give_every_unit_once(new_agent, sale, at_once):
    for outcome in at_once([new_agent(seed=seed).round for seed in range(4)]):
        assert not isinstance(outcome, Exception), outcome
    sale.open(new_agent())
    assert sum(sale.avails()) == 30
    assert Allocation.objects.filter(state="selling").count() == 3
    assert sale.books_balance()


def test_without_redis_nothing_is_granted_and_nothing_breaks(addresses, no_kafka, clock, item):
    nobody = type(addresses["primary"])((("127.0.0.1", 1),), "worker", "x")
    clusters = StockClusters.connect({"primary": nobody}, "test")
    assert StockAgent(clusters, no_kafka, clock, timedelta(60), random.Random(1)).round()
    assert not Allocation.objects.exists()
    assert Pool.objects.get().unallocated == 30


@pytest.mark.parametrize("mode", ["fast", "full"])
def test_who_holds_something_holds_it_in_the_next_epoch(mode, agent, sale, broker):
    """Decided or not; what has ended stays known, and counts no more.

    In full mode the old epoch is closed by then, and only PostgreSQL tells.
    """
    confirmed, undecided, ended = (sale.shopper_of(0, number) for number in range(3))
    sale.open(agent)
    assert [sale.buy(who, 2) for who in (confirmed, ended)] == ["R", "R"]
    sale.relay()
    sale.consume()
    sale.expire(ended)
    agent.round()
    assert sale.buy(undecided, 2) == "R"
    old = sale.epoch(0)
    sale.rearm(0, mode)
    if mode == "full":
        sale.settle(agent)
    sale.open(agent)
    assert sale.epoch(0).epoch > old.epoch
    assert [sale.buy(who, 2) for who in (confirmed, undecided, ended)] == ["A", "A", "A"]
    assert [sale.buy(who, 2, "more") for who in (confirmed, undecided)] == ["L", "L"]
    assert sale.buy(ended, 3, "more") == "R"


def test_what_is_decided_while_its_epoch_closes_is_known(agent, sale, monkeypatch):
    """Read in the other order it would be in neither: not decided yet, and draining no more."""
    sale.open(agent)
    shopper = sale.shopper_of(0)
    assert sale.buy(shopper, 3) == "R"
    sale.rearm(0)
    read = inventory.decided_buyers

    def close_meanwhile(item_id, number):
        known = list(read(item_id, number))
        Allocation.objects.filter(state="draining").update(state="closed")
        return iter(known)

    monkeypatch.setattr(inventory, "decided_buyers", close_meanwhile)
    agent.round()
    Allocation.objects.filter(state="closed").update(state="draining")
    assert sale.buy(shopper, 1, "more") == "L"


def test_large_shards_are_rebuilt_in_portions(agent, sale, monkeypatch):
    sale.open(agent)
    sale.rearm(0)
    crowd = [(f"one-{number}", f"{sale.item.pk}-0-{number}", 1) for number in range(2500)]
    monkeypatch.setattr(inventory, "decided_buyers", lambda *_: iter(crowd))
    agent.round()
    shard = sale.epoch(0)
    assert sale.node(shard).hlen(shard.buyers) == 2500


def test_an_epoch_that_cannot_be_armed_moves_to_a_master_that_can(
    agent, sale, item, clock, monkeypatch
):
    """Its master was well when the epoch was opened."""
    cluster = sale.clusters["primary"]
    epoch = shards.next_epoch(0, item.pk, 0, cluster.place_for(1))
    inventory.open_epoch(item.pk, 0, after=0, epoch=epoch, source="primary")
    stuck = Shard(item.pk, 0, epoch)
    arm = shards.arm

    def refuse(cluster, shard, *args):
        if shard == stuck:
            raise cluster.failed(Exception("NOREPLICAS Not enough good replicas to write."))
        return arm(cluster, shard, *args)

    monkeypatch.setattr(shards, "arm", refuse)
    agent.round()
    assert sale.epoch(0) == stuck
    clock.skip(1.5)
    agent.round()
    agent.round()
    assert sale.epoch(0) != stuck
    assert sale.avails() == [10, 10, 10]
