"""workers.stock.shard against a Redis of its own: what the agent is told, and what it is spared."""

import random
import time
import uuid
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
import redis

from tests.redis.server import PASSWORDS, StockServer
from workers.runtime.env import StockRedis
from workers.runtime.verdicts import Unavailable
from workers.stock import scripts
from workers.stock import shard as shards
from workers.stock.cluster import NoReplicas, ShardFenced, StockCluster
from workers.stock.keys import Shard, slot_of

NOW_MS = 1_800_000_000_000
OTHER_LIFE = "f" * 40
_items = count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StockServer]:
    """One node with all slots."""
    node = StockServer(tmp_path_factory.mktemp("shard") / "node")
    node.start()
    node.own_all_slots()
    yield node
    node.stop()


@pytest.fixture
def cluster(server: StockServer) -> StockCluster:
    """As an agent has it."""
    seeds = (("127.0.0.1", server.port),)
    return StockCluster(StockRedis(seeds, "worker", PASSWORDS["worker"]), "test")


@pytest.fixture
def shard() -> Shard:
    """A shard that nobody has armed."""
    return Shard(next(_items), 0, 1)


def arm(cluster: StockCluster, shard: Shard, units: int = 10, limit: int = 3) -> str:
    """Arm and grant; returns the script's SHA-1."""
    sha = shards.arm(cluster, shard, shards.life_of(cluster, shard), limit, NOW_MS)
    if units:
        shards.grant(cluster, shard, uuid.uuid4(), units)
    return sha


def sell(cluster: StockCluster, shard: Shard, *asked: tuple[str, str, int]) -> str:
    """One batch of (shopper, reservation_id, qty); the codes."""
    lines = [
        f"{shopper} {reservation}={qty} device regular 1" for shopper, reservation, qty in asked
    ]
    keys = [shard.ctl, shard.avail, shard.buyers, shard.outbox]
    sha = scripts.reserve_for(shard).sha
    codes, _ = cluster.node_of(shard).evalsha(sha, len(keys), *keys, *lines)
    return str(codes.decode())


def look_at(cluster: StockCluster, shard: Shard) -> shards.ShardState:
    """The state of one shard."""
    (state,) = shards.look(cluster, [(shard, scripts.reserve_for(shard).sha)]).values()
    return state


def test_a_shard_is_armed_and_sells_what_it_is_granted(cluster: StockCluster, shard: Shard) -> None:
    assert arm(cluster, shard, units=2) == scripts.reserve_for(shard).sha
    assert sell(cluster, shard, ("ann", "a", 1), ("bob", "b", 1), ("cem", "c", 1)) == "RRE"


def test_arming_again_changes_nothing(cluster: StockCluster, shard: Shard) -> None:
    sha = arm(cluster, shard, units=2)
    assert arm(cluster, shard, units=0) == sha
    assert shards.inspect(cluster, shard).avail == 2


def test_the_life_is_the_nodes(cluster: StockCluster, shard: Shard, server: StockServer) -> None:
    assert shards.life_of(cluster, shard) == server.life


def test_another_life_is_fenced(cluster: StockCluster, shard: Shard) -> None:
    with pytest.raises(ShardFenced):
        shards.arm(cluster, shard, OTHER_LIFE, 1, NOW_MS)
    with pytest.raises(ShardFenced):
        shards.rebuild(cluster, shard, OTHER_LIFE, [("ann", "a", 1)])


def test_a_grant_and_a_reclaim_happen_once(cluster: StockCluster, shard: Shard) -> None:
    arm(cluster, shard, units=0)
    grant_id, reclaim_id = uuid.uuid4(), uuid.uuid4()
    assert [shards.grant(cluster, shard, grant_id, 5) for _ in range(2)] == [5, 5]
    taken = [shards.reclaim(cluster, shard, reclaim_id, 9, low_water=2) for _ in range(2)]
    assert taken == [3, 3]
    assert shards.inspect(cluster, shard).avail == 2


def test_a_new_epoch_knows_the_buyers_of_the_old_one(cluster: StockCluster, shard: Shard) -> None:
    arm(cluster, shard, units=1000)
    asked = [(f"s{n}", f"r{n}", 1 + n % 3) for n in range(400)]
    sell(cluster, shard, *asked)
    sell(cluster, shard, ("s0", "r0-more", 2))
    shards.release(cluster, shard, "s1", "r1")
    shards.disarm(cluster, shard)
    # More than the 128 of a listpack, so that HSCAN goes on by portions.
    portions = list(shards.buyers_of(cluster, shard))
    held = {one for portion in portions for one in portion}
    assert held == ({*asked, ("s0", "r0-more", 2), ("s1", "r1", 0)} - {("s1", "r1", 2)})

    new = Shard(shard.item, 0, 2)
    life = shards.life_of(cluster, new)
    decided = [("s2", "r2", 0)]
    for portion in [decided, *portions]:
        assert shards.rebuild(cluster, new, life, portion)
    arm(cluster, new)
    assert not shards.rebuild(cluster, new, life, [("late", "r", 1)])
    assert sell(cluster, new, ("s0", "x", 1), ("s1", "x", 3), ("s2", "x", 3), ("s3", "x", 3)) == (
        "LRRL"
    )


def test_nothing_to_rebuild_is_nothing_to_do(cluster: StockCluster, shard: Shard) -> None:
    assert shards.rebuild(cluster, shard, OTHER_LIFE, [])
    assert list(shards.buyers_of(cluster, shard)) == []


def test_a_disarmed_shard_is_fenced_for_all_but_disarming(
    cluster: StockCluster, shard: Shard
) -> None:
    arm(cluster, shard)
    for _ in range(2):
        shards.disarm(cluster, shard)
    with pytest.raises(ShardFenced):
        shards.grant(cluster, shard, uuid.uuid4(), 1)
    with pytest.raises(ShardFenced):
        shards.reclaim(cluster, shard, uuid.uuid4(), 1, 0)
    with pytest.raises(ShardFenced):
        shards.release(cluster, shard, "ann", "a")
    with pytest.raises(ShardFenced):
        shards.mark_sold_out(cluster, shard, NOW_MS, 99)
    with pytest.raises(ShardFenced):
        shards.arm(cluster, shard, shards.life_of(cluster, shard), 3, NOW_MS)


def test_a_mark_is_heard_for_a_while(cluster: StockCluster, shard: Shard) -> None:
    arm(cluster, shard, units=0)
    assert shards.mark_sold_out(cluster, shard, look_at(cluster, shard).time_ms, left=0)
    assert sell(cluster, shard, ("ann", "a", 1)) == "S"
    assert look_at(cluster, shard).sold_out
    assert not shards.mark_sold_out(cluster, shard, version_ms=1, left=0)


def test_a_look_tells_all_that_the_agent_goes_by(cluster: StockCluster, shard: Shard) -> None:
    arm(cluster, shard, units=5)
    sell(cluster, shard, ("ann", "a", 3), ("bob", "b", 3))
    before_ms = int(time.time() * 1000)
    state = look_at(cluster, shard)
    assert (state.fault, state.avail, state.lacking) == (None, 2, 3)
    assert state.balanced
    assert not state.sold_out
    assert before_ms - 5 <= state.time_ms <= int(time.time() * 1000) + 5


def test_many_shards_are_seen_in_one_look(cluster: StockCluster) -> None:
    armed = {}
    for units in range(1, 20):
        shard = Shard(next(_items), units % 3, 1)
        armed[shard] = arm(cluster, shard, units=units)
    seen = shards.look(cluster, list(armed.items()))
    assert [seen[shard].avail for shard in armed] == list(range(1, 20))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("DEL", "ctl"), "its keys are gone"),
        (("DEL", "avail"), "its keys are gone"),
        (("HSET", "ctl", "life", OTHER_LIFE), "it was armed in another life"),
        (("HSET", "ctl", "disarmed", "1"), "it is disarmed"),
        (("RENAME", "ctl", "grants"), "its keys are gone"),
    ],
)
def test_a_look_names_why_a_shard_refuses(
    cluster: StockCluster,
    shard: Shard,
    server: StockServer,
    change: tuple[str, ...],
    fault: str,
) -> None:
    arm(cluster, shard, units=5)
    names = {"ctl": shard.ctl, "avail": shard.avail, "grants": f"{shard.tag}:aside"}
    server.operator.execute_command(*(names.get(word, word) for word in change))
    assert look_at(cluster, shard).fault == fault


def test_a_damaged_key_is_a_fault_and_hides_no_other_shard(
    cluster: StockCluster, shard: Shard, server: StockServer
) -> None:
    other = Shard(next(_items), 0, 1)
    armed = [(one, arm(cluster, one)) for one in (shard, other)]
    server.operator.delete(shard.grants)
    server.operator.rpush(shard.grants, "not what it should be")
    seen = shards.look(cluster, armed)
    assert str(seen[shard].fault).startswith("WRONGTYPE")
    assert seen[other].fault is None


def test_books_that_do_not_balance_are_seen(
    cluster: StockCluster, shard: Shard, server: StockServer
) -> None:
    arm(cluster, shard)
    server.operator.incr(shard.avail)
    assert not look_at(cluster, shard).balanced


def test_a_lost_script_is_seen_and_inspecting_goes_on(
    cluster: StockCluster, shard: Shard, server: StockServer
) -> None:
    arm(cluster, shard)
    server.operator.script_flush()
    assert look_at(cluster, shard).fault == "its node has restarted and lost the reserve script"


def read_outbox(cluster: StockCluster, shard: Shard) -> list[bytes]:
    """Deliver everything to the relay's group; the ids."""
    reply: Any = cluster.node_of(shard).xreadgroup("relay", "r", {shard.outbox: ">"})
    ((_, entries),) = reply.items() if isinstance(reply, dict) else reply
    return [name for name, _ in entries]


def test_an_outbox_is_drained_when_all_is_acknowledged(cluster: StockCluster, shard: Shard) -> None:
    assert shards.is_drained(cluster, shard)
    arm(cluster, shard)
    assert shards.is_drained(cluster, shard)
    sell(cluster, shard, ("ann", "a", 1))
    sell(cluster, shard, ("bob", "b", 1))
    assert not shards.is_drained(cluster, shard)
    first, last = read_outbox(cluster, shard)
    assert not shards.is_drained(cluster, shard)
    cluster.node_of(shard).xack(shard.outbox, "relay", last)
    assert not shards.is_drained(cluster, shard)
    cluster.node_of(shard).xack(shard.outbox, "relay", first)
    assert shards.is_drained(cluster, shard)
    cluster.run(shard, scripts.TRIM, [shard.outbox], f"{2**48}-0")
    assert shards.is_drained(cluster, shard)
    sell(cluster, shard, ("cem", "c", 1))
    assert not shards.is_drained(cluster, shard)


def test_an_outbox_without_the_relays_group_is_not_drained(
    cluster: StockCluster, shard: Shard, server: StockServer
) -> None:
    arm(cluster, shard)
    sell(cluster, shard, ("ann", "a", 1))
    server.operator.xgroup_destroy(shard.outbox, "relay")
    assert not shards.is_drained(cluster, shard)


def test_a_key_that_is_no_outbox_is_an_error_and_not_drained(
    cluster: StockCluster, shard: Shard, server: StockServer
) -> None:
    server.operator.set(shard.outbox, "not what it should be")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        shards.is_drained(cluster, shard)


def test_a_master_without_replicas_says_so_and_can_be_seen(
    cluster: StockCluster, shard: Shard, server: StockServer
) -> None:
    sha = arm(cluster, shard)
    server.operator.config_set("min-replicas-to-write", 1)
    try:
        with pytest.raises(NoReplicas):
            shards.grant(cluster, shard, uuid.uuid4(), 1)
        with pytest.raises(NoReplicas):
            shards.disarm(cluster, shard)
        assert shards.look(cluster, [(shard, sha)])[shard].fault is None
        assert shards.life_of(cluster, shard) == server.life
    finally:
        server.operator.config_set("min-replicas-to-write", 0)


def test_a_full_node_is_unavailable_and_can_be_seen(
    cluster: StockCluster, shard: Shard, server: StockServer
) -> None:
    sha = arm(cluster, shard)
    allowed = server.operator.config_get("maxmemory")["maxmemory"]
    server.operator.config_set("maxmemory", 1)
    try:
        with pytest.raises(Unavailable):
            shards.grant(cluster, shard, uuid.uuid4(), 1)
        assert shards.look(cluster, [(shard, sha)])[shard].avail == 10
    finally:
        server.operator.config_set("maxmemory", allowed)


def test_a_node_that_does_not_answer_is_unavailable_and_not_in_the_look(
    server: StockServer, cluster: StockCluster, shard: Shard
) -> None:
    sha = arm(cluster, shard)
    server.freeze()
    try:
        assert shards.look(cluster, [(shard, sha)]) == {}
        with pytest.raises(Unavailable):
            shards.life_of(cluster, shard)
        with pytest.raises(Unavailable):
            list(shards.buyers_of(cluster, shard))
        with pytest.raises(Unavailable):
            shards.is_drained(cluster, shard)
    finally:
        server.thaw()


def test_the_next_epoch_is_the_first_with_a_wanted_slot() -> None:
    rng = random.Random(1)
    for _ in range(20):
        item, after = rng.randrange(10**6), rng.randrange(10**4)
        epoch = shards.next_epoch(after, item, 2, lambda slot: slot < 5461)
        slots = [slot_of(Shard(item, 2, one).tag) for one in range(after + 1, epoch + 1)]
        assert slots[-1] < 5461
        assert all(slot >= 5461 for slot in slots[:-1])


def test_when_every_slot_will_do_it_is_the_next() -> None:
    assert shards.next_epoch(41, 7, 0, lambda _: True) == 42


def test_when_no_slot_will_do_there_is_none_and_the_search_ends() -> None:
    with pytest.raises(Unavailable):
        shards.next_epoch(0, 7, 0, lambda _: False)


def test_keys_lie_where_redis_says(server: StockServer) -> None:
    rng = random.Random(2)
    for _ in range(50):
        shard = Shard(rng.randrange(10**9), rng.randrange(64), rng.randrange(10**5))
        for key in (shard.ctl, shard.outbox, shard.reclaims):
            assert server.operator.execute_command("CLUSTER", "KEYSLOT", key) == slot_of(shard.tag)


def test_shards_of_two_sources_are_not_the_same() -> None:
    assert Shard(1, 0, 1) != Shard(1, 0, 1, "standby")
    assert Shard(1, 0, 1).tag == Shard(1, 0, 1, "standby").tag
