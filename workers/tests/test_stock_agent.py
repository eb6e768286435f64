"""Pool → allocation → shard, with a real Redis and a real database."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from control_plane.campaigns import services as campaigns
from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation, Grant, Pool
from control_plane.snapshot.models import Snapshot
from workers.leadership import Leadership
from workers.runtime import metrics
from workers.stock import scripts
from workers.stock import shard as shards
from workers.stock.cluster import StockCluster
from workers.stock.keys import Shard
from workers.stock_agent import StockAgent
from workers.tests.selling import sell

pytestmark = pytest.mark.django_db(transaction=True)

LEAD = timedelta(seconds=60)


@pytest.fixture
def agent(cluster, clock):
    return StockAgent(cluster, clock, LEAD)


@pytest.fixture
def shard(item):
    return Shard(item.pk, 0, 1)


@pytest.fixture(autouse=True)
def units_are_conserved(item):
    yield
    assert inventory.conservation(item.pk).drift == 0


def _avail(cluster, shard):
    value = cluster.node_of(shard).get(shard.avail)
    return None if value is None else int(value)


def _granted(cluster, shard):
    return sum(int(qty) for qty in cluster.node_of(shard).hvals(shard.grants))


def _fenced(shard):
    return metrics.SHARD_FENCED.labels(shard.item, shard.shard)._value.get()


def test_an_item_that_starts_soon_is_armed_granted_and_published(agent, cluster, shard, item):
    agent.round()
    allocation = Allocation.objects.get()
    sha = scripts.reserve_for(shard).sha
    assert (allocation.granted, allocation.script_sha) == (1000, sha)
    assert Pool.objects.get().unallocated == 0
    assert Grant.objects.get().applied_at is not None
    assert _avail(cluster, shard) == 1000
    published = Snapshot.objects.latest("version").document["items"][str(item.pk)]
    assert published["shards"] == [{"shard": 0, "epoch": 1, "sha": sha}]
    assert sell(cluster, shard, ["ann", "ann", "bob"]) == "RAR"


def test_a_second_round_changes_nothing(agent, cluster, shard, item):
    agent.round()
    versions = Snapshot.objects.count()
    agent.round()
    assert (Grant.objects.count(), Snapshot.objects.count()) == (1, versions)
    assert _avail(cluster, shard) == 1000


def test_an_item_that_starts_later_than_the_lead_is_left_alone(cluster, clock, shard, item):
    StockAgent(cluster, clock, timedelta(seconds=5)).round()
    assert not Allocation.objects.exists()
    assert _avail(cluster, shard) is None


def test_a_live_item_is_armed_whenever_it_started(agent, cluster, shard, item):
    campaigns.open_due(datetime.now(UTC) + timedelta(seconds=31))
    StockAgent(cluster, agent._clock, timedelta(0)).round()
    assert _avail(cluster, shard) == 1000


def test_units_that_come_back_to_the_pool_are_granted_again(agent, cluster, shard, item):
    agent.round()
    Pool.objects.update(total=1005, unallocated=5)
    agent.round()
    assert _avail(cluster, shard) == 1005
    assert Allocation.objects.get().granted == 1005


STEPS = {
    "nothing": [],
    "the allocation": ["open"],
    "the arming": ["open", "arm"],
    "the grant in PostgreSQL": ["open", "arm", "begin"],
    "the grant in Redis": ["open", "arm", "begin", "grant"],
    "the grant's mark": ["open", "arm", "begin", "grant", "mark"],
}


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS.keys())
def test_it_goes_on_where_a_dead_agent_stopped_after(agent, cluster, shard, item, steps):
    if "open" in steps:
        allocation = inventory.open_allocation(item.pk, 0)
    if "arm" in steps:
        shards.arm(cluster, shard, 1, 1)
    if "begin" in steps:
        grant = inventory.begin_grant(allocation.pk, 700)
    if "grant" in steps:
        shards.grant(cluster, shard, grant.pk, 700)
    if "mark" in steps:
        inventory.mark_grant_applied(grant.pk)
    agent.round()
    agent.round()
    assert _avail(cluster, shard) == 1000
    assert _granted(cluster, shard) == Allocation.objects.get().granted == 1000
    assert not inventory.pending_grants(Allocation.objects.get().pk)
    assert Allocation.objects.get().script_sha
    assert sell(cluster, shard, ["ann"]) == "R"


def test_an_empty_shard_says_sold_out_only_when_the_pool_is_empty_too(agent, cluster, shard, item):
    agent.round()
    for batch in range(10):
        sell(cluster, shard, [f"shopper-{batch}-{n}" for n in range(100)])
    assert sell(cluster, shard, ["late"]) == "E"
    Pool.objects.update(total=1001, unallocated=1)
    agent.round()
    assert sell(cluster, shard, ["late"]) == "R"
    assert sell(cluster, shard, ["later"]) == "E"
    agent.round()
    assert sell(cluster, shard, ["later"]) == "S"


def test_a_shard_is_marked_sold_out_once_and_again_after_new_units(
    agent, cluster, shard, item, monkeypatch
):
    """A mark is a write: repeated in every round it would cost an fsync in each."""
    marks = []
    mark = shards.mark_sold_out

    def counted(*args):
        marks.append(args)
        return mark(*args)

    monkeypatch.setattr(shards, "mark_sold_out", counted)
    agent.round()
    for batch in range(10):
        sell(cluster, shard, [f"shopper-{batch}-{n}" for n in range(100)])
    for _ in range(3):
        agent.round()
    assert len(marks) == 1
    Pool.objects.update(total=1001, unallocated=1)
    agent.round()
    assert sell(cluster, shard, ["late"]) == "R"
    for _ in range(3):
        agent.round()
    assert len(marks) == 2
    assert sell(cluster, shard, ["later"]) == "S"


def test_sold_out_ends_when_units_come_back(agent, cluster, shard, item):
    agent.round()
    for batch in range(10):
        sell(cluster, shard, [f"shopper-{batch}-{n}" for n in range(100)])
    agent.round()
    assert sell(cluster, shard, ["late"]) == "S"
    Pool.objects.update(total=1001, unallocated=1)
    agent.round()
    assert sell(cluster, shard, ["late"]) == "R"


@pytest.mark.parametrize("fault", ["script", "node", "keys"])
def test_a_shard_that_stopped_accepting_its_epoch_stays_fenced(
    agent, cluster, shard, item, fault, monkeypatch
):
    agent.round()
    node = cluster.node_of(shard)
    if fault == "script":
        # As after a restart; SCRIPT FLUSH would take the scripts of everybody on this server.
        Allocation.objects.update(script_sha="0" * 40)
    elif fault == "node":
        node.hset(shard.ctl, "node", "a" * 40)
    else:
        node.delete(shard.ctl)
    Pool.objects.update(total=1005, unallocated=5)
    before = _avail(cluster, shard)
    agent.round()
    assert _fenced(shard) == 1
    assert _avail(cluster, shard) == before
    assert Pool.objects.get().unallocated == 5
    assert node.script_exists("0" * 40) == [False]


def test_a_pending_grant_waits_while_the_shard_is_fenced(agent, cluster, shard, item):
    agent.round()
    Pool.objects.update(total=1005, unallocated=5)
    inventory.begin_grant(Allocation.objects.get().pk, 5)
    cluster.node_of(shard).hset(shard.ctl, "node", "a" * 40)
    agent.round()
    assert len(inventory.pending_grants(Allocation.objects.get().pk)) == 1


def test_the_figures_of_an_ended_sale_disappear(agent, shard, item):
    agent.round()
    assert (str(item.pk), "0") in metrics.SHARD_AVAIL._metrics
    item.campaign.__class__.objects.update(state="ended")
    agent.round()
    assert (str(item.pk), "0") not in metrics.SHARD_AVAIL._metrics
    assert (str(item.pk),) not in metrics.POOL_UNALLOCATED._metrics
    agent.round()


def test_without_redis_nothing_is_granted_and_nothing_breaks(env, clock, item):
    nobody = type(env.stock_redis)((("127.0.0.1", 1),), "worker", "x")
    StockAgent(StockCluster(nobody, "test"), clock, LEAD).round()
    assert Pool.objects.get().unallocated == 1000
    assert not Grant.objects.exists()


def test_two_agents_at_once_grant_every_unit_once(env, clock, cluster, shard, item, at_once):
    def one():
        StockAgent(StockCluster(env.stock_redis, "test"), clock, LEAD).round()

    for outcome in at_once([one] * 4):
        assert outcome is None, outcome
    StockAgent(cluster, clock, LEAD).round()
    assert _avail(cluster, shard) == _granted(cluster, shard) == 1000
    assert Allocation.objects.get().granted == 1000


def test_one_of_two_leads_and_the_other_takes_over(transactional_db):
    one, two = Leadership(4711), Leadership(4711)
    try:
        assert one.held()
        assert one.held()
        assert not two.held()
        one.resign()
        assert two.held()
        assert not one.held()
    finally:
        one.resign()
        two.resign()


def test_a_leader_whose_session_was_cut_knows_it(transactional_db):
    one, two = Leadership(4711), Leadership(4711)
    try:
        assert one.held()
        with one._session.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        assert not two.held()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        assert not one.held()
        assert one.held()
    finally:
        one.resign()
        two.resign()
