"""forget.lua: the memory of an epoch that is over, and of no other."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from tests.redis.armed_shard import ArmedShard, Request
from tests.redis.conftest import Arm
from tests.redis.mutants import replaced, without
from tests.redis.server import StockServer
from workers.stock import scripts
from workers.stock.keys import Shard
from workers.stock.scripts import Script

DAY_S = 86_400
# The guards, as they stand in the script.
ARMED_HERE = 'not ctl[2] and string.find(redis.call("INFO", "replication"), life, 1, true)'
HAS_ENTRIES = 'redis.call("XLEN", KEYS[4]) > 0'


def forget(shard: ArmedShard, script: Script = scripts.FORGET) -> int:
    """Run the script, or a mutant of it."""
    return int(shard.call(script, shard.shard.keys, shard.shard.epoch))


def left(shard: ArmedShard) -> list[str]:
    """The keys that are there, without the tag."""
    server = shard.server
    return [key.rpartition(":")[2] for key in shard.shard.keys if server.worker.exists(key)]


def empty_outbox(shard: ArmedShard) -> None:
    """As the relay and the trim do it."""
    outbox, worker = shard.shard.outbox, shard.server.worker
    read = worker.xreadgroup("relay", "r1", {outbox: ">"})
    entries = [entry for _, found in read for entry, _ in found]
    worker.xack(outbox, "relay", *entries)
    shard.call(scripts.TRIM, [outbox], f"{2**48}-0")


@pytest.fixture
def sold(arm_unchecked: Arm) -> ArmedShard:
    """All seven keys, everything in the outbox relayed and trimmed; not disarmed yet."""
    shard = arm_unchecked()
    shard.reserve(Request("ann"))
    shard.reclaim(2)
    shard.ban({"eve": shard.server.now_ms() + 60_000})
    empty_outbox(shard)
    assert left(shard) == ["ctl", "avail", "buyers", "outbox", "grants", "reclaims", "bans"]
    return shard


def test_of_seven_keys_the_record_is_left_for_a_day(sold: ArmedShard) -> None:
    sold.disarm()
    assert forget(sold) == 6
    assert left(sold) == ["ctl"]
    assert DAY_S - 60 < sold.server.worker.ttl(sold.shard.ctl) <= DAY_S


def test_a_repeat_changes_nothing_and_the_record_does_not_live_longer(sold: ArmedShard) -> None:
    sold.disarm()
    forget(sold)
    sold.server.operator.expire(sold.shard.ctl, 100)
    with sold.unchanged():
        assert forget(sold) == 0
    assert sold.server.worker.ttl(sold.shard.ctl) <= 100


def test_where_nothing_is_nothing_is_written(server: StockServer, unused_item: int) -> None:
    shard = ArmedShard(server, Shard(unused_item, 0, 3), limit=1)
    assert forget(shard) == 0
    assert left(shard) == []


def test_an_armed_epoch_is_not_forgotten(sold: ArmedShard) -> None:
    with sold.refuses("NOTOVER"):
        forget(sold)
    mutant = without(scripts.FORGET, ARMED_HERE)
    assert forget(sold, mutant) == 6, "without the check a shard that sells would lose its stock"


@pytest.mark.parametrize("read", [False, True])
@pytest.mark.parametrize("lost_record", [False, True])
def test_what_waits_in_the_outbox_stays(arm_unchecked: Arm, read: bool, lost_record: bool) -> None:
    """Unread, unacknowledged, or only not decided: then it is the last copy outside Kafka."""
    shard = arm_unchecked()
    shard.reserve(Request("ann"))
    shard.disarm()
    if read:
        shard.server.worker.xreadgroup("relay", "r1", {shard.shard.outbox: ">"})
    if lost_record:
        shard.server.operator.delete(shard.shard.ctl)
    with shard.refuses("NOTOVER"):
        forget(shard)
    assert forget(shard, without(scripts.FORGET, HAS_ENTRIES)) > 0, "the check is what keeps it"


def test_one_of_another_life_is_forgotten(sold: ArmedShard) -> None:
    """An older replica was promoted: it has the keys, and does not know that they are disarmed."""
    sold.server.operator.hset(sold.shard.ctl, "life", "f" * 40)
    assert forget(sold) == 6
    assert sold.ctl()["disarmed"] == "1"


def test_without_its_record_it_is_forgotten_too(sold: ArmedShard) -> None:
    sold.server.operator.delete(sold.shard.ctl)
    assert forget(sold) == 6
    assert sold.ctl() == {"epoch": "1", "disarmed": "1"}


def test_keys_that_come_back_are_forgotten_again(sold: ArmedShard) -> None:
    sold.disarm()
    forget(sold)
    sold.server.operator.hset(sold.shard.buyers, "ann", "r=1")
    assert forget(sold) == 1
    assert left(sold) == ["ctl"]


def test_nobody_arms_or_sells_it_again(sold: ArmedShard) -> None:
    """An agent that was slow, and a gateway with an old snapshot."""
    sold.disarm()
    forget(sold)
    for refused in (
        sold.arm,
        lambda: sold.rebuild(("ann", "r", 1)),
        lambda: sold.grant(5),
        lambda: sold.reclaim(1),
        lambda: sold.release(Request("ann")),
        lambda: sold.reserve(Request("bob")),
        sold.mark_sold_out,
        lambda: sold.ban({"eve": 1}),
    ):
        with sold.refuses("FENCED"):
            refused()


def test_without_the_record_it_could_be_armed_again(sold: ArmedShard) -> None:
    """Why the record stays, and why it is written where it was lost."""
    kept = 'redis.call("HSET", KEYS[1], "epoch", epoch, "disarmed", "1")'
    sold.server.operator.delete(sold.shard.ctl)
    forget(sold, replaced(scripts.FORGET, kept, ""))
    assert sold.arm() == "armed"


def test_a_record_that_a_late_disarm_left_ends_too(server: StockServer, unused_item: int) -> None:
    shard = ArmedShard(server, Shard(unused_item, 0, 3), limit=1)
    shard.disarm()
    assert server.worker.ttl(shard.shard.ctl) == -1
    assert forget(shard) == 0
    assert server.worker.ttl(shard.shard.ctl) > 0


@contextmanager
def full(server: StockServer) -> Iterator[None]:
    """A server that has used up its memory."""
    server.operator.config_set("maxmemory", 1)
    try:
        yield
    finally:
        server.operator.config_set("maxmemory", "1gb")


def test_a_full_server_can_still_be_emptied(arm_unchecked: Arm) -> None:
    shard = arm_unchecked()
    shard.reserve(Request("ann"))
    with full(shard.server):
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            shard.grant(1)
        assert shard.disarm() == 1
        empty_outbox(shard)
        assert forget(shard) == 4


@pytest.mark.parametrize("script", [scripts.DISARM, scripts.TRIM, scripts.FORGET])
def test_without_the_flag_a_full_server_refuses(sold: ArmedShard, script: Script) -> None:
    mutant = replaced(script, "#!lua flags=allow-oom", "#!lua")
    with full(sold.server), pytest.raises(redis.exceptions.OutOfMemoryError):
        sold.call(mutant, sold.shard.keys, sold.shard.epoch)


@pytest.mark.parametrize("keys", [0, 6])
def test_a_call_that_is_wrong_is_refused(sold: ArmedShard, keys: int) -> None:
    sold.disarm()
    with sold.refuses("BADCALL"):
        sold.call(scripts.FORGET, sold.shard.keys[:keys], sold.shard.epoch)
    with sold.refuses("BADCALL"):
        sold.call(scripts.FORGET, sold.shard.keys)
