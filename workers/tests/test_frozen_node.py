"""A stock node that hangs: its outboxes wait, those of the other node go on as if nothing were."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest

from deploy.local.servers.redis import SLOTS
from tests.redis.server import PASSWORDS, StockServer
from tests.redis.waiting import until
from workers.outbox_keeper import OutboxKeeper
from workers.relayed_topic import RelayedTopic
from workers.runtime.clock import SystemClock
from workers.runtime.env import StockRedis
from workers.runtime.readiness import Readiness
from workers.runtime.verdicts import Unavailable
from workers.stock.cluster import CALL_TIMEOUT_S, StockCluster, StockClusters
from workers.stock.keys import Shard, slot_of
from workers.stock.outbox import OutboxReader
from workers.stock.sale_items import Outbox
from workers.tests.relaying import delivered, nothing_left, pending
from workers.tests.selling import arm, put_lines, sell

HALF = SLOTS // 2
# Of calls that a test waits for itself: longer than a loaded machine takes for ten fsyncs.
PATIENCE_S = 5.0


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[StockServer]]:
    """Two masters of one cluster, half of the slots each."""
    folder = tmp_path_factory.mktemp("stock")
    both = [StockServer(folder / name) for name in ("one", "two")]
    for node, first in zip(both, (0, HALF), strict=True):
        node.start()
        node.operator.execute_command("CLUSTER", "ADDSLOTSRANGE", first, first + HALF - 1)
    both[0].meet(both[1])
    for node in both:
        until(node.is_whole, "the cluster is whole")
    yield both
    for node in both:
        node.stop()


@pytest.fixture
def sources(nodes):
    seeds = tuple(("127.0.0.1", node.port) for node in nodes)
    return {"primary": StockRedis(seeds, "worker", PASSWORDS["worker"])}


@pytest.fixture
def stock(sources):
    return StockCluster(sources["primary"], "test", timeout_s=PATIENCE_S)


@pytest.fixture
def new_reader(sources, clock):
    readers = []

    def build(timeout_s):
        clusters = StockClusters.connect(sources, "test", timeout_s)
        readers.append(OutboxReader(clusters, "relay-1", clock))
        return readers[-1]

    yield build
    for reader in readers:
        reader.close()


@pytest.fixture
def reader(new_reader):
    return new_reader(CALL_TIMEOUT_S)


@pytest.fixture
def pair(stock):
    """An armed shard on each node, of items that nobody else has."""
    shards = [_on(lambda slot: slot < HALF), _on(lambda slot: slot >= HALF)]
    for shard in shards:
        arm(stock, shard)
    return shards


_items = iter(range(1, 1_000_000))


def _on(wanted):
    return next(one for one in (Shard(item, 0, 1) for item in _items) if wanted(slot_of(one.tag)))


@pytest.fixture
def freeze(nodes):
    """Freeze the first node; it goes on at the end of the test."""
    yield nodes[0].freeze
    nodes[0].thaw()


def _warm(reader, pair):
    """Both nodes are known and were read; nothing is left."""
    until(lambda: not reader.read(pair, 1) and not reader.unreachable(pair), "both are known")


def _acknowledged(reader, entries):
    return not reader.acknowledge(entries)


def test_a_frozen_node_delays_the_others_entries_by_moments(new_reader, stock, pair, freeze):
    reader = new_reader(PATIENCE_S)
    frozen, healthy = pair
    _warm(reader, pair)
    freeze()
    began = time.monotonic()
    for number in range(10):
        sell(stock, healthy, [f"shopper-{number}"])
        found = until(lambda: reader.read([frozen, healthy], 8), "it is read", pause_s=0)
        until(partial(_acknowledged, reader, found), "it is acknowledged", pause_s=0)
    # Not a figure, a kind: the first call to the frozen node is still waited for.
    assert time.monotonic() - began < PATIENCE_S
    assert reader.unreachable(pair) == 1


def test_a_cluster_that_cannot_be_found_delays_nobody(sources, stock, pair, clock, monkeypatch):
    """Nobody knows yet where the standby's shards are, and its seed does not answer."""
    monkeypatch.setattr("workers.stock.node_calls.SEARCH_EVERY_S", 0)
    shard = pair[0]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        seeds = (("127.0.0.1", silent.getsockname()[1]),)
        standby = StockRedis(seeds, "worker", PASSWORDS["worker"])
        both = StockClusters.connect(sources | {"standby": standby}, "test", PATIENCE_S)
        reader = OutboxReader(both, "relay-1", clock)
        _warm(reader, [shard])
        sell(stock, shard, ["ann"])
        began = time.monotonic()
        listed = [shard, replace(shard, source="standby")]
        found = until(lambda: reader.read(listed, 8), "it is read", pause_s=0)
        until(partial(_acknowledged, reader, found), "it is acknowledged", pause_s=0)
        assert time.monotonic() - began < PATIENCE_S
    reader.close()


def test_what_a_frozen_node_had_comes_when_it_goes_on(reader, stock, pair, nodes, freeze):
    frozen, _ = pair
    _warm(reader, pair)
    sell(stock, frozen, ["ann"])
    freeze()
    assert reader.read(pair, 8) == []
    nodes[0].thaw()
    found = until(lambda: reader.late(1000) + reader.read(pair, 8), "ann's entry comes")
    assert [entry.shard for entry in found] == [frozen]
    assert until(lambda: not reader.acknowledge(found), "it is acknowledged")
    assert pending(stock, frozen) == 0


@pytest.fixture
def reads_new_ones(monkeypatch):
    """Every read asks for new entries: none is due for a look back, none is put off."""
    monkeypatch.setattr("workers.stock.outbox.LOOK_BACK_S", 1e9)
    monkeypatch.setattr("workers.stock.outbox.QUIET_READ_S", 0)


def test_a_read_whose_answer_was_lost_is_read_again_at_once(
    reader, stock, pair, nodes, freeze, reads_new_ones
):
    """The node hands the entry out when it goes on, to somebody who has hung up."""
    frozen, _ = pair
    _warm(reader, pair)
    sell(stock, frozen, ["ann"])
    freeze()
    reader.read(pair, 8)
    until(lambda: reader.read(pair, 8) or reader._positions[frozen].cursor == b"0", "it gave up")
    nodes[0].thaw()
    found = until(lambda: reader.late(1000) + reader.read(pair, 8), "ann's entry comes")
    assert [entry.shard for entry in found] == [frozen]


def test_what_comes_late_and_finds_no_room_comes_again(
    reader, stock, pair, nodes, freeze, reads_new_ones
):
    frozen, _ = pair
    _warm(reader, pair)
    for batch in range(3):
        sell(stock, frozen, [f"shopper-{batch}-{n}" for n in range(10)])
    freeze()
    assert reader.read(pair, 8) == []
    nodes[0].thaw()
    until(lambda: reader.read([pair[1]], 8) or reader._late, "the answer has come")
    first = reader.late(25)
    assert sum(len(entry.lines) for entry in first) == 20
    again = until(lambda: reader.read(pair, 8, busy=[frozen]), "the rest comes again")
    assert len({entry.id for entry in [*first, *again]}) == 3


def test_a_shard_whose_slot_has_moved_is_found(reader, stock, pair, nodes):
    """MOVED is one shard's answer; the node itself is well."""
    shard = _on(lambda slot: slot < HALF)
    _warm(reader, [*pair, shard])
    for owner in nodes[::-1]:
        for node in nodes:
            slot = slot_of(shard.tag)
            node.operator.execute_command("CLUSTER", "SETSLOT", slot, "NODE", owner.node_id)
        until(lambda: _armed(stock, shard), "the new owner takes writes")
        assert sell(stock, shard, ["ann"]) == "R"
        found = until(lambda: reader.late(1000) + reader.read([shard], 8), "it is found")
        until(partial(_acknowledged, reader, found), "it is acknowledged", pause_s=0)
        for name in (shard.ctl, shard.avail, shard.buyers, shard.outbox, shard.grants):
            owner.worker.delete(name)


def _armed(stock, shard):
    try:
        arm(stock, shard)
    except Unavailable:
        return False
    return True


def test_a_claim_goes_on_behind_what_it_had_claimed(new_reader, stock, pair, monkeypatch):
    """What we hold ourselves stands first among the pending; it must not hide what is behind it."""
    monkeypatch.setattr("workers.stock.outbox.CLAIM_IDLE_MS", 0)
    shard, _ = pair
    for line in (b"one", b"two"):
        put_lines(stock, shard, line)
    stock.node_of(shard).xreadgroup("relay", "dead", {shard.outbox: ">"})
    reader = new_reader(PATIENCE_S)
    found = [until(lambda: reader.claim([shard], 1), "one is claimed") for _ in range(2)]
    assert [entry.lines for (entry,) in found] == [[b"one"], [b"two"]]


def test_a_restarted_node_is_read_again(reader, stock, pair, nodes):
    frozen, _ = pair
    _warm(reader, pair)
    sell(stock, frozen, ["ann"])
    nodes[0].kill()
    until(lambda: reader.read(pair, 8) or reader.unreachable(pair), "the loss is noticed")
    nodes[0].start()
    until(nodes[0].is_whole, "the cluster is whole")
    until(lambda: reader.late(1000) + reader.read(pair, 8), "ann's entry comes")


def test_an_entry_that_a_failover_made_pending_again_is_found(reader, stock, pair):
    """The stream came back with an acknowledgement less: it is ours, and we never saw it."""
    shard, _ = pair
    _warm(reader, pair)
    put_lines(stock, shard, b"line")
    ((name, _),) = stock.node_of(shard).xrange(shard.outbox)
    stock.node_of(shard).xgroup_setid(shard.outbox, "relay", "0")
    stock.node_of(shard).xreadgroup("relay", "relay-1", {shard.outbox: ">"})
    (found,) = until(lambda: reader.read(pair, 8), "the entry is found")
    assert found.id == name


@pytest.mark.django_db(transaction=True)
def test_a_relay_goes_on_beside_a_frozen_node(
    new_relay, sources, stock, pair, nodes, freeze, broker
):
    frozen, healthy = pair
    relay = new_relay(sources=sources)
    for shard in pair:
        sell(stock, shard, ["ann", "bob"])
    relayed = [nothing_left(stock, shard) for shard in pair]
    until(lambda: relay.turn(pair) >= 0 and all(one() for one in relayed), "both are relayed")
    sell(stock, frozen, ["cid"])
    freeze()
    for batch in range(20):
        sell(stock, healthy, [f"shopper-{batch}-{n}" for n in range(10)])
        relay.turn(pair)
    done = nothing_left(stock, healthy)
    until(lambda: relay.turn(pair) >= 0 and done(), "the healthy node is drained", pause_s=0)
    assert len(delivered(broker)) == 204
    nodes[0].thaw()
    done = nothing_left(stock, frozen)
    until(lambda: relay.turn(pair) >= 0 and done(), "so is the other", pause_s=0)
    values = delivered(broker)
    assert len(set(values)) == 205
    relay.finish()


@pytest.mark.django_db(transaction=True)
def test_two_clusters_are_read_side_by_side_also_when_one_is_frozen(
    new_relay, env, sources, pair, nodes, freeze, broker, cluster, shard
):
    """`shard` is on the stack's own stock Redis; the two nodes here are its standby."""
    address = sources["primary"]
    there = replace(pair[0], source="standby")
    stock = StockCluster(address, "test", timeout_s=PATIENCE_S)
    relay = new_relay(sources={"primary": env.stock_redis, "standby": address})
    unknown = replace(pair[1], source="elsewhere")
    listed = [unknown, there, shard]
    sell(stock, there, ["ann"])
    sell(cluster, shard, ["bob"])
    relayed = [nothing_left(stock, there), nothing_left(cluster, shard)]
    until(lambda: relay.turn(listed) >= 0 and all(one() for one in relayed), "both are relayed")
    freeze()
    sell(cluster, shard, ["cid"])
    until(lambda: relay.turn(listed) >= 0 and relayed[1](), "the primary goes on")
    assert len(delivered(broker)) == 3
    nodes[0].thaw()
    relay.finish()


@pytest.mark.django_db(transaction=True)
def test_the_keeper_trims_the_others_outboxes(sources, stock, pair, freeze, monkeypatch):
    _, healthy = pair
    monkeypatch.setattr("workers.outbox_entries.decided", set)
    monkeypatch.setattr("workers.outbox_entries._reservation_ids", lambda *_: [])
    clusters = StockClusters.connect(sources, "test")
    keeper = OutboxKeeper(
        clusters,
        SystemClock(),
        threading.Event(),
        readiness=Readiness(SystemClock(), []),
        topic=RelayedTopic(clusters, "reservations", {}),
        ask_kafka=lambda: None,
    )
    put_lines(stock, healthy, b"line")
    stock.node_of(healthy).xgroup_setid(healthy.outbox, "relay", "$")
    freeze()
    both = [Outbox(shard, is_over=False, is_closed=False, is_long_closed=False) for shard in pair]
    problem = keeper._tidy_all(both)
    assert problem is not None
    assert stock.node_of(healthy).xlen(healthy.outbox) == 0


def test_a_node_that_is_put_to_rest_leaves_a_call_under_way_alone(stock, nodes):
    """Else its thread reads from a socket that another one closed, and no loop expects that."""
    shard = Shard(1, 0, 1)
    node, key = stock.node_of(shard), f"{shard.tag}:outbox"
    answers = []

    def wait_for_nothing():
        try:
            answers.append(node.execute_command("XREAD", "BLOCK", "3000", "STREAMS", key, "$"))
        except Exception as error:  # noqa: BLE001  # what it is, is the question
            answers.append(error)

    thread = threading.Thread(target=wait_for_nothing)
    thread.start()
    until(
        lambda: any(int(one.operator.info("clients")["blocked_clients"]) for one in nodes),
        "the call to be under way",
    )
    node.rest(time.monotonic(), 0.1)
    thread.join()
    assert answers in ([None], [{}], [[]])
