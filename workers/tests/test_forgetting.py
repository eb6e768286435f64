"""The keys of closed epochs: their memory comes back, and nothing that is promised goes with it."""

from datetime import timedelta

import pytest

from control_plane.campaigns.models import Campaign
from control_plane.inventory.models import Allocation
from control_plane.orders.services import land
from workers import intent as intents
from workers.outbox_keeper import KEYS_KEPT
from workers.runtime.verdicts import Unavailable
from workers.stock import scripts
from workers.stock import shard as shards
from workers.stock.cluster import NoReplicas, StockCluster
from workers.stock.outbox import lines_of
from workers.tests.relaying import nothing_left, requests_in, run_until
from workers.tests.selling import close, put_lines, sell

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def at_every_turn(monkeypatch):
    """No pauses."""
    monkeypatch.setattr("workers.outbox_keeper.TRIM_EVERY_S", 0)
    monkeypatch.setattr("workers.outbox_keeper.LOOK_AGAIN_S", 0)


def _left(cluster, shard):
    return [key for key in shard.keys if cluster.node_of(shard).exists(key)]


def _decide_all(cluster, shard, clock):
    found = cluster.node_of(shard).xrange(shard.outbox)
    assert found
    land([intents.decode(one.value.encode()) for one in requests_in(found, shard)], clock.now())


def _close_long_ago(cluster, shard, allocation, clock):
    shards.disarm(cluster, shard)
    close(allocation)
    closed_at = clock.now() - KEYS_KEPT
    Allocation.objects.filter(pk=allocation.pk).update(closed_at=closed_at)


@pytest.fixture
def relayed(new_relay, cluster, shard, allocation, broker):
    """A shard that sold two units, which are in Kafka."""
    assert sell(cluster, shard, ["ann", "bob"]) == "RR"
    run_until(new_relay(), shard, nothing_left(cluster, shard))
    return shard


def test_a_closed_epochs_keys_go_and_nobody_reads_it_any_more(
    cluster, relayed, keeper, allocation, clock
):
    _decide_all(cluster, relayed, clock)
    _close_long_ago(cluster, relayed, allocation, clock)
    keeper.turn()
    assert _left(cluster, relayed) == [relayed.ctl]
    keeper.turn()
    assert (keeper.shards, keeper.closed) == ((), frozenset())


def test_what_is_not_decided_keeps_them(cluster, relayed, keeper, allocation, clock):
    _close_long_ago(cluster, relayed, allocation, clock)
    keeper.turn()
    assert relayed.outbox in _left(cluster, relayed)
    keeper.turn()
    assert keeper.shards == (relayed,)
    _decide_all(cluster, relayed, clock)
    keeper.turn()
    assert _left(cluster, relayed) == [relayed.ctl]


def test_they_stay_for_a_while_because_an_agent_may_be_copying_the_buyers(
    cluster, relayed, keeper, allocation, clock
):
    _decide_all(cluster, relayed, clock)
    _close_long_ago(cluster, relayed, allocation, clock)
    a_minute_too_early = clock.now() - KEYS_KEPT + timedelta(minutes=1)
    Allocation.objects.filter(pk=allocation.pk).update(closed_at=a_minute_too_early)
    keeper.turn()
    assert relayed.buyers in _left(cluster, relayed)


@pytest.mark.parametrize("state", ["selling", "draining"])
def test_an_epoch_that_is_not_closed_is_never_forgotten(
    cluster, relayed, keeper, allocation, clock, state
):
    """Its script would do it: disarmed, and nothing in its outbox. PostgreSQL has to say it."""
    _decide_all(cluster, relayed, clock)
    shards.disarm(cluster, relayed)
    Allocation.objects.filter(pk=allocation.pk).update(state=state)
    keeper.turn()
    assert relayed.buyers in _left(cluster, relayed)


def test_the_epochs_of_a_campaign_that_ended_days_ago_are_forgotten_when_they_close(
    cluster, relayed, keeper, allocation, item, clock
):
    """Kafka was away for two days; meanwhile the outbox was seen empty."""
    now = clock.now()
    Campaign.objects.filter(pk=item.campaign_id).update(
        state="ended", starts_at=now - timedelta(days=3), ends_at=now - timedelta(days=2)
    )
    _decide_all(cluster, relayed, clock)
    keeper.turn()
    keeper.turn()
    assert keeper.shards == ()
    _close_long_ago(cluster, relayed, allocation, clock)
    keeper.turn()
    assert _left(cluster, relayed) == [relayed.ctl]


def test_what_a_failover_brings_back_is_read_again_and_forgotten_again(
    new_relay, cluster, relayed, keeper, allocation, broker, clock
):
    _decide_all(cluster, relayed, clock)
    _close_long_ago(cluster, relayed, allocation, clock)
    ((_, entry),) = cluster.node_of(relayed).xrange(relayed.outbox)
    keeper.turn()
    assert _left(cluster, relayed) == [relayed.ctl]
    node = cluster.node_of(relayed)
    node.xgroup_create(relayed.outbox, "relay", "0", mkstream=True)
    put_lines(cluster, relayed, *lines_of(entry))
    keeper.turn()
    keeper.turn()
    assert (keeper.shards, keeper.closed) == ((relayed,), {relayed})
    run_until(new_relay(), relayed, nothing_left(cluster, relayed))
    keeper.turn()
    assert _left(cluster, relayed) == [relayed.ctl]


def test_keys_that_were_lost_with_their_node_are_no_trouble(
    cluster, relayed, keeper, allocation, clock
):
    _close_long_ago(cluster, relayed, allocation, clock)
    cluster.node_of(relayed).delete(*relayed.keys)
    keeper.turn()
    keeper.turn()
    assert keeper.shards == ()
    assert _left(cluster, relayed) == []


@pytest.mark.parametrize(("error", "is_told"), [(NoReplicas, False), (Unavailable, True)])
def test_a_master_without_replicas_is_no_trouble_and_is_asked_again(
    cluster, relayed, keeper, allocation, clock, monkeypatch, error, is_told
):
    """It takes no writes, and reading goes on."""
    _decide_all(cluster, relayed, clock)
    _close_long_ago(cluster, relayed, allocation, clock)
    run = StockCluster.run

    def refuse(self, shard, script, *arguments):
        if script == scripts.FORGET:
            raise error("not now")
        return run(self, shard, script, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(StockCluster, "run", refuse)
        keeper.turn()
        assert (keeper._silent is not None) == is_told
    assert relayed.buyers in _left(cluster, relayed)
    keeper.turn()
    assert _left(cluster, relayed) == [relayed.ctl]
