"""Restarts and promotions: an epoch belongs to one life of one master."""

import pytest
import redis

from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation, Pool, Rearm, Reclaim
from deploy.local.servers.redis import SLOTS
from tests.redis.server import StockServer
from tests.redis.waiting import until
from workers.agent.tests.conftest import address_of
from workers.runtime import metrics
from workers.stock import shard as shards
from workers.stock.cluster import REST_MAX_S, NoReplicas, StockCluster, StockClusters
from workers.stock.keys import slot_of
from workers.stock.sale_items import shard_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def open_sale(sale, agent):
    """Two of shard 0's shoppers have bought."""
    sale.open(agent)
    for number in range(2):
        assert sale.buy(sale.shopper_of(0, number)) == "R"
    return sale


def _spoil(sale, fault):
    shard = sale.epoch(0)
    node = sale.node(shard)
    if fault == "an earlier life":
        # As after A→B→A without a restart: the script is known, the state is not what it was.
        node.hset(shard.ctl, "life", "a" * 40)
    elif fault == "keys gone":
        node.delete(shard.ctl)
    elif fault == "a grant nobody can read":
        node.hset(shard.grants, "x", "many")
    elif fault == "a counter changed by hand":
        node.incrby(shard.avail, 5)
    else:
        Allocation.objects.filter(pk=sale.selling(0).pk).update(script_sha="0" * 40)


FAULTS = [
    *("an earlier life", "keys gone", "a counter changed by hand", "a grant nobody can read"),
    "no script",
]


@pytest.mark.parametrize("fault", FAULTS)
def test_an_epoch_that_is_not_what_it_was_is_fenced_and_replaced(fault, open_sale, agent, broker):
    old = open_sale.epoch(0)
    _spoil(open_sale, fault)
    agent.round()
    rearm = Rearm.objects.get()
    assert (rearm.allocation.epoch, rearm.mode) == (old.epoch, "fast")
    open_sale.rounds_until(agent, lambda: open_sale.epoch(0).epoch > old.epoch, "a new epoch sells")
    open_sale.open(agent)
    assert open_sale.avail(0) > 0
    assert [open_sale.buy(open_sale.shopper_of(0, n)) for n in range(2)] == ["A", "A"]
    open_sale.settle(agent)
    assert Allocation.objects.get(shard=0, epoch=old.epoch).consumed == 2


def test_a_master_that_restarted_sells_a_new_epoch(open_sale, agent, masters, broker):
    old, others = open_sale.epoch(0), [open_sale.epoch(1), open_sale.epoch(2)]
    masters[0].kill()
    assert agent.round() is not None
    # The other shards are not concerned.
    assert [open_sale.buy(open_sale.shopper_of(shard, 5)) for shard in (1, 2)] == ["R", "R"]
    masters[0].start()
    until(lambda: all(node.is_whole() for node in masters), "the cluster is whole")
    open_sale.clusters = agent._clusters
    open_sale.rounds_until(agent, lambda: _epoch_is_newer(open_sale, old), "a new epoch sells")
    open_sale.settle(agent)
    open_sale.open(agent)
    assert [open_sale.epoch(1), open_sale.epoch(2)] == others
    assert Allocation.objects.get(shard=0, epoch=old.epoch).consumed == 2
    assert sum(open_sale.avails()) == 26
    assert open_sale.buy(open_sale.shopper_of(0)) == "A"


def _epoch_is_newer(sale, old):
    row = Allocation.objects.filter(shard=0, state="selling").exclude(script_sha="").first()
    return row is not None and row.epoch > old.epoch


def test_a_node_that_does_not_answer_is_waited_for(open_sale, agent, masters):
    """It may go on selling for as long as nobody has disarmed it."""
    open_sale.rearm(0)
    masters[0].freeze()
    try:
        agent.round()
        agent.round()
        assert Rearm.objects.get().stage == "fenced"
        assert not Allocation.objects.filter(shard=0, state="selling").exists()
    finally:
        masters[0].thaw()
    open_sale.rounds_until(agent, lambda: Rearm.objects.get().stage != "fenced", "it is disarmed")


def test_a_new_epoch_waits_until_it_knows_the_buyers_of_the_old(
    open_sale, new_agent, agent, masters
):
    """They are on a node that does not answer just now; selling without them sells twice."""
    rearm = open_sale.rearm(0)
    shards.disarm(open_sale.clusters["primary"], shard_of(rearm.allocation))
    inventory.advance(rearm.pk, "fenced", "disarmed")
    masters[0].freeze()
    try:
        impatient = new_agent(timeout_s=0.25)
        opened = Allocation.objects.filter(shard=0, state="selling")
        open_sale.rounds_until(impatient, opened.exists, "it is opened on another master")
        for _ in range(3):
            impatient.round()
        assert opened.get().script_sha == ""
    finally:
        masters[0].thaw()
    open_sale.open(agent)
    assert [open_sale.buy(open_sale.shopper_of(0, n)) for n in range(2)] == ["A", "A"]


@pytest.fixture
def pair(tmp_path):
    """A master with its replica, and a master beside them that needs none."""
    first, copy = (StockServer(tmp_path / name, replicated=True) for name in ("first", "copy"))
    other = StockServer(tmp_path / "other")
    for node in (first, copy, other):
        node.start()
    half = SLOTS // 2
    first.operator.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, half - 1)
    other.operator.execute_command("CLUSTER", "ADDSLOTSRANGE", half, SLOTS - 1)
    first.meet(copy)
    first.meet(other)
    copy.meet(other)
    copy.copy(first)
    until(lambda: all(node.is_whole() for node in (first, copy, other)), "the cluster is whole")
    until(lambda: first.replication().get("min_slaves_good_slaves"), "the copy is good")
    yield first, copy, other
    for node in (first, copy, other):
        node.stop()


@pytest.fixture
def addresses(request, masters, standby):
    """Of the pair, where the test has one."""
    if "pair" in request.fixturenames:
        return {"primary": address_of(*request.getfixturevalue("pair"))}
    return {"primary": address_of(*masters), "standby": address_of(standby)}


def _promote(pair):
    first, copy, other = pair
    first.kill()
    copy.take_over()
    until(lambda: _master_of_slot_0(other) == copy.port, "the others know of the promotion")


def _master_of_slot_0(node):
    slots = node.operator.execute_command("CLUSTER SLOTS")
    return next(nodes[0][1] for first, _, *nodes in slots if first == 0)


def test_after_a_promotion_the_shard_sells_on_from_a_master_that_takes_writes(
    pair, sale, agent, broker
):
    """The promoted one has no replica: it cannot be disarmed, and need not be."""
    sale.open(agent)
    assert sale.buy(sale.shopper_of(0)) == "R"
    old = sale.epoch(0)
    assert slot_of(old.tag) < SLOTS // 2
    _promote(pair)
    sale.rounds_until(agent, lambda: _epoch_is_newer(sale, old), "a new epoch sells")
    assert slot_of(sale.epoch(0).tag) >= SLOTS // 2
    sale.clusters = agent._clusters
    with pytest.raises(NoReplicas):
        shards.disarm(sale.clusters["primary"], old)
    sale.open(agent)
    assert sale.avail(0) > 0
    assert sale.buy(sale.shopper_of(0)) == "A"
    ended = Rearm.objects.get(allocation__epoch=old.epoch, allocation__shard=0)
    assert ended.stage in ("barrier_sent", "closed")


def test_a_master_without_replicas_in_the_epochs_own_life_is_not_disarmed(pair, sale, agent):
    """It sells again as soon as its replica is back."""
    sale.open(agent)
    _, copy, _ = pair
    copy.kill()
    first = pair[0]
    until(lambda: first.replication()["min_slaves_good_slaves"] == 0, "the master is alone")
    sale.rearm(0)
    agent.round()
    assert Rearm.objects.get().stage == "fenced"
    assert not Allocation.objects.filter(shard=0, state="selling").exists()


def _leave_alone(pair):
    first, copy, _ = pair
    copy.kill()
    until(lambda: first.replication()["min_slaves_good_slaves"] == 0, "the master is alone")


def test_units_of_a_master_that_takes_no_writes_are_out_and_all_others_go_on(pair, sale, agent):
    """Shard 1 lies on the master that needs no copy, 0 and 2 do not."""
    sale.open(agent)
    sale.go_live()
    healthy = [n for n in range(3) if slot_of(sale.epoch(n).tag) >= SLOTS // 2]
    alone = [n for n in range(3) if n not in healthy]
    assert healthy and alone
    _leave_alone(pair)
    # The one that is frozen has most, and all the others nothing.
    for number in healthy:
        sale.sell_out(number)
        assert sale.buy(sale.shopper_of(number, 900)) == "E"
    reclaims, frozen = Reclaim.objects.count(), [sale.avail(number) for number in alone]
    for _ in range(10):
        assert "takes no writes" in str(agent.round())
    assert Reclaim.objects.count() == reclaims
    assert not Rearm.objects.exists(), "it is sound, it only cannot sell"
    assert _takes_writes(sale, alone[0]) == 0
    assert _takes_writes(sale, healthy[0]) == 1
    inventory.top_up(sale.item.pk, 8, "more", None)
    sale.rounds_until(
        agent, lambda: sum(sale.avail(number) for number in healthy) == 8, "the healthy have them"
    )
    assert [sale.avail(number) for number in alone] == frozen
    assert Pool.objects.get().unallocated == 0


def _takes_writes(sale, shard):
    return metrics.SHARD_TAKES_WRITES.labels(sale.item.pk, shard)._value.get()


def test_healthy_shards_are_levelled_while_a_third_one_takes_no_writes(pair, sale, agent):
    sale.open(agent)
    sale.go_live()
    healthy = [n for n in range(3) if slot_of(sale.epoch(n).tag) >= SLOTS // 2]
    if len(healthy) < 2:
        # Two of the three on the master that stays well.
        moving = next(n for n in (2, 0) if n not in healthy)
        _move(sale, agent, moving)
        healthy.append(moving)
    _leave_alone(pair)
    poor, rich = healthy
    sale.sell_out(poor)
    assert sale.avail(rich) > 1
    sale.rounds_until(agent, lambda: sale.avail(poor) > 0, "units came from the healthy one")
    assert Reclaim.objects.filter(taken=None).count() == 0


def _move(sale, agent, number):
    """As `_promote` and back would: its next epoch lies on the other master."""
    place = agent._clusters["primary"].place_for
    agent._clusters["primary"].place_for = lambda _: place(1)
    old = sale.epoch(number)
    sale.rearm(number)
    sale.rounds_until(agent, lambda: _epoch_of(number) > old.epoch, "it is on the other master")
    for _ in range(3):
        agent.round()
    assert slot_of(sale.epoch(number).tag) >= SLOTS // 2


def _epoch_of(number):
    row = Allocation.objects.filter(shard=number, state="selling").exclude(script_sha="").first()
    return row.epoch if row else 0


def test_what_was_refused_is_not_asked_for_again_and_again(pair, sale, agent, monkeypatch):
    """Found out by the call and not by the look: full, or the disk, or just now."""
    sale.open(agent)
    sale.go_live()
    sale.sell_out(1)
    monkeypatch.setattr(shards, "_has_copies", lambda _: True)
    before = Reclaim.objects.count()
    _leave_alone(pair)
    for _ in range(10):
        agent.round()
    assert Reclaim.objects.filter(taken=None).count() <= 2, "one a shard at most"
    assert Reclaim.objects.count() <= before + 3


def test_a_promoted_master_that_stays_alone_does_not_keep_the_old_epoch_open(
    pair, sale, agent, broker
):
    """No relay can acknowledge there; what it sold is read and sent by the agent."""
    sale.open(agent)
    assert sale.buy(sale.shopper_of(0)) == "R"
    old = sale.epoch(0)
    assert slot_of(old.tag) < SLOTS // 2
    until(lambda: _copied(pair), "the copy has it")
    _promote(pair)
    sale.clusters = agent._clusters

    def is_closed():
        agent.round()
        sale.consume()
        row = Allocation.objects.get(shard=0, epoch=old.epoch)
        return row.state == "closed" and row.consumed == 1

    until(is_closed, "it is closed, and what it sold is an order")
    agent.round()


def _copied(pair):
    first, copy, _ = pair
    return first.replication()["master_repl_offset"] == copy.replication()["slave_repl_offset"]


def test_no_epoch_is_opened_where_nobody_takes_writes(pair, sale, agent, clusters):
    first, copy, other = pair
    copy.kill()
    other.kill()
    until(lambda: first.replication()["min_slaves_good_slaves"] == 0, "the master is alone")
    assert "no master takes writes" in str(agent.round())
    assert not Allocation.objects.exists()


def test_who_hung_is_asked_for_the_map_after_all_others(masters, clock):
    """Its rest may be over while it hangs still; every shard would wait for it."""
    cluster = StockCluster(address_of(*masters), "map", clock=clock)
    silences = metrics.STOCK_REDIS_ERRORS.labels("map", "TimeoutError")

    def read_the_map():
        cluster.failed(redis.ConnectionError("the map is in doubt"))
        clock.skip(REST_MAX_S + 1)
        cluster.place_for(1)

    masters[0].freeze()
    try:
        for _ in range(len(masters)):
            read_the_map()
        assert silences._value.get() == 1
        for _ in range(2 * len(masters)):
            read_the_map()
        assert silences._value.get() == 1
    finally:
        masters[0].thaw()


@pytest.mark.parametrize("hung", range(3))
def test_the_map_comes_from_any_node_that_answers(hung, masters):
    masters[hung].freeze()
    try:
        cluster = StockClusters.connect({"primary": address_of(*masters)}, "test")["primary"]
        well = (hung + 1) % 3
        place = cluster.place_for(well)
        assert place(SLOTS * well // 3 + 1)
        assert not place(SLOTS * hung // 3 + 1)
    finally:
        masters[hung].thaw()
