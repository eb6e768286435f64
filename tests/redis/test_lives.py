"""Restarts and promotions of real nodes: whoever may have lost something sells nothing of it.

Each case has a control, the same without the one check: then units are sold that were sold before.
"""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
import redis

from tests.redis.armed_shard import Answer, ArmedShard, Request
from tests.redis.mutants import without
from tests.redis.server import PASSWORDS, StockServer
from tests.redis.waiting import until
from workers.runtime.env import StockRedis
from workers.runtime.verdicts import Unavailable
from workers.stock import shard as shards
from workers.stock.cluster import StockCluster
from workers.stock.keys import Shard

Pair = tuple[StockServer, StockServer]
LIFE_CHECK = 'not string.find(redis.call("INFO", "replication"), life, 1, true)'
_items = count(700_001)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """A master and its replica, configured as in a cluster; the replica has everything."""
    nodes = (
        StockServer(tmp_path / "a", replicated=True),
        StockServer(tmp_path / "b", replicated=True),
    )
    master, replica = nodes
    try:
        for number, node in enumerate(nodes, 1):
            node.start()
            node.take_number(number)
        master.own_all_slots()
        master.meet(replica)
        replica.copy(master)
        # So that one that is cut off goes on, as it does for min-replicas-max-lag seconds.
        for node in nodes:
            node.operator.config_set("min-replicas-to-write", 0)
        yield nodes
    finally:
        for node in nodes:
            node.stop()


def new_shard(server: StockServer) -> ArmedShard:
    """Armed, three units, one of them sold."""
    shard = ArmedShard(server, Shard(next(_items), shard=0, epoch=1), limit=1)
    shard.arm()
    shard.grant(3)
    assert shard.reserve(Request("ann")) == Answer("R")
    return shard


def on(shard: ArmedShard, server: StockServer) -> ArmedShard:
    """The same shard as this node has it."""
    there = ArmedShard(server, shard.shard, shard.limit)
    there.script = shard.script
    return there


def refuses_everything(shard: ArmedShard) -> None:
    """No script but disarm acts on it."""
    calls: list[Callable[[], object]] = [
        lambda: shard.reserve(Request("zoe")),
        lambda: shard.reserve(Request("ann")),
        lambda: shard.grant(1),
        lambda: shard.reclaim(1),
        lambda: shard.release(Request("ann")),
        lambda: shard.mark_sold_out(left=9),
        shard.arm,
    ]
    for call in calls:
        with shard.refuses("FENCED"):
            call()


def test_a_restarted_node_knows_no_script_and_is_fenced_even_with_it(pair: Pair) -> None:
    (master, _), shard = pair, new_shard(pair[0])
    life = master.life
    master.kill()
    master.start()
    until(master.is_whole, "the cluster is whole")
    with shard.unchanged(), pytest.raises(redis.exceptions.NoScriptError):
        shard.reserve(Request("bob"))
    assert master.life != life
    assert shard.books().fault == "it was armed in another life"
    shard.load(shard.script)
    refuses_everything(shard)
    assert shard.disarm() == 1


@pytest.mark.parametrize("is_killed", [True, False])
def test_a_restart_without_replicas_begins_a_new_life_too(tmp_path: Path, is_killed: bool) -> None:
    node = StockServer(tmp_path / "alone")
    node.start()
    try:
        node.own_all_slots()
        shard = new_shard(node)
        if not is_killed:
            node.operator.shutdown(nosave=True)
        node.kill()
        node.start()
        until(node.is_whole, "the cluster is whole")
        shard.load(shard.script)
        refuses_everything(shard)
    finally:
        node.stop()


def lose_two_sales(pair: Pair, shard: ArmedShard) -> ArmedShard:
    """The replica does not hear of two sales and is promoted; the old master follows it."""
    master, replica = pair
    replica.freeze()
    # What was sent would still wait in its socket.
    master.operator.client_kill_filter(_type="replica")
    assert shard.reserve(Request("bob"), Request("cem")) == Answer("RR")
    master.freeze()
    replica.thaw()
    replica.take_over()
    master.thaw()
    until(master.has_stream, "the old master follows the new one")
    return on(shard, replica)


def test_a_promoted_replica_knows_no_script_and_is_fenced_even_with_it(pair: Pair) -> None:
    shard = new_shard(pair[0])
    pair[1].copy(pair[0])
    promoted = lose_two_sales(pair, shard)
    assert promoted.books().avail == 2
    with promoted.unchanged(), pytest.raises(redis.exceptions.NoScriptError):
        promoted.reserve(Request("dee"))
    promoted.load(promoted.script)
    refuses_everything(promoted)


def test_a_node_that_was_promoted_again_has_the_script_and_is_fenced(pair: Pair) -> None:
    # A→B→A without a restart: the first node has its script and its own id, and less than it sold.
    shard = new_shard(pair[0])
    pair[1].copy(pair[0])
    node_id = pair[0].node_id
    lose_two_sales(pair, shard)
    pair[0].take_over()
    assert pair[0].node_id == node_id
    assert shard.books().avail == 2
    refuses_everything(shard)


def test_without_the_life_in_its_fence_it_would_sell_units_a_second_time(pair: Pair) -> None:
    shard = new_shard(pair[0])
    shard.load(without(shard.script, LIFE_CHECK))
    pair[1].copy(pair[0])
    lose_two_sales(pair, shard)
    pair[0].take_over()
    # Three units: ann has one, bob and cem were told that they have the others.
    assert shard.reserve(Request("dee"), Request("eva")) == Answer("RR")


def test_the_next_epoch_sells_on_the_promoted_node(pair: Pair) -> None:
    shard = new_shard(pair[0])
    pair[1].copy(pair[0])
    lose_two_sales(pair, shard)
    after = ArmedShard(pair[1], Shard(shard.shard.item, 0, 2), limit=1)
    ann = Request("ann")
    after.rebuild(("ann", after.reservation_id(ann), 1))
    after.arm()
    after.grant(1)
    assert after.reserve(ann, Request("ann", key="more"), Request("dee")) == Answer("ALR", (1,))
    assert after.faults() == []


def test_two_masters_are_not_both_armed_for_one_epoch(pair: Pair) -> None:
    master, replica = pair
    epoch = Shard(next(_items), 0, 1)
    life = master.life
    master.freeze()
    replica.take_over()
    promoted = ArmedShard(replica, epoch, limit=1)
    with promoted.refuses("FENCED"):
        promoted.rebuild(("ann", "a", 1), life=life)
    with promoted.refuses("FENCED"):
        promoted.arm(life=life)


def test_an_agent_with_an_old_map_takes_no_replica_for_the_master(pair: Pair) -> None:
    master, replica = pair
    shard = new_shard(master)
    replica.copy(master)
    seeds = (("127.0.0.1", master.port),)
    cluster = StockCluster(StockRedis(seeds, "worker", PASSWORDS["worker"]), "test")
    assert shards.life_of(cluster, shard.shard) == master.life
    replica.take_over()
    until(master.has_stream, "the old master follows the new one")
    armed = [(shard.shard, shard.script.sha)]
    assert shards.look(cluster, armed) == {}
    # Told so, it reads the map anew.
    seen = until(lambda: shards.look(cluster, armed), "the agent finds the new master")
    assert seen[shard.shard].fault == "it was armed in another life"
    assert shards.life_of(cluster, shard.shard) == replica.life


def test_the_life_of_a_replica_is_nobodys(pair: Pair) -> None:
    master, replica = pair
    seeds = (("127.0.0.1", master.port),)
    cluster = StockCluster(StockRedis(seeds, "worker", PASSWORDS["worker"]), "test")
    shard = Shard(next(_items), 0, 1)
    cluster.node_of(shard)
    replica.copy(master)
    replica.take_over()
    until(master.has_stream, "the old master follows the new one")
    with pytest.raises(Unavailable):
        shards.life_of(cluster, shard)


def test_a_master_whose_replica_is_away_lives_on(pair: Pair) -> None:
    master, replica = pair
    assert master.operator.config_get("repl-backlog-ttl") == {"repl-backlog-ttl": "0"}
    shard, life = new_shard(master), master.life
    replica.kill()
    until(lambda: master.replication()["connected_slaves"] == 0, "the replica is away")
    # The control: what the default would do after an hour.
    master.operator.config_set("repl-backlog-ttl", 1)
    until(lambda: master.life != life, "it gave up its backlog and took another id")
    with shard.refuses("FENCED"):
        shard.reserve(Request("bob"))


def test_a_replica_that_comes_back_leaves_the_life_as_it_is(pair: Pair) -> None:
    master, replica = pair
    life = master.life
    replica.kill()
    until(lambda: master.replication()["connected_slaves"] == 0, "the replica is away")
    shard = new_shard(master)
    replica.start()
    until(replica.has_stream, "the replica is back")
    assert master.life == life == replica.life
    assert shard.reserve(Request("bob")) == Answer("R")


def test_the_very_first_replica_begins_a_life(tmp_path: Path) -> None:
    # Redis makes its first backlog under a new id: what was armed before must be armed anew.
    nodes = (
        StockServer(tmp_path / "a", replicated=True),
        StockServer(tmp_path / "b", replicated=True),
    )
    master, replica = nodes
    try:
        for node in nodes:
            node.start()
        master.own_all_slots()
        master.operator.config_set("min-replicas-to-write", 0)
        shard, life = new_shard(master), master.life
        master.meet(replica)
        replica.copy(master)
        assert master.life != life
        with shard.refuses("FENCED"):
            shard.reserve(Request("bob"))
    finally:
        for node in nodes:
            node.stop()


def test_a_master_that_nobody_copies_writes_nothing_and_can_be_read(pair: Pair) -> None:
    master, replica = pair
    shard = new_shard(master)
    replica.kill()
    until(lambda: master.replication()["connected_slaves"] == 0, "the replica is away")
    master.operator.config_set("min-replicas-to-write", 1)
    calls: list[Callable[[], object]] = [
        lambda: shard.reserve(Request("bob")),
        lambda: shard.reserve(Request("ann")),
        lambda: shard.grant(1),
        lambda: shard.reclaim(1),
        lambda: shard.release(Request("ann")),
        lambda: shard.mark_sold_out(left=9),
        shard.disarm,
        shard.arm,
    ]
    for call in calls:
        with shard.refuses("NOREPLICAS"):
            call()
    assert (shard.books().avail, shard.books().fault) == (2, "")
