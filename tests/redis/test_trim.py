"""trim.lua: drop what is relayed and decided, and nothing else."""

import pytest

from tests.redis.armed_shard import ArmedShard, Request
from tests.redis.server import StockServer
from workers.stock import scripts
from workers.stock.keys import Shard

LAST_ID = f"{2**48}-0"


@pytest.fixture
def shard(server: StockServer, unused_item: int) -> ArmedShard:
    """Three batches in the outbox; nobody has read them."""
    shard = ArmedShard(server, Shard(unused_item, shard=0, epoch=1), limit=1)
    shard.arm()
    shard.grant(10)
    for shopper in ("ann", "bob", "cem"):
        shard.reserve(Request(shopper))
    assert shard.faults() == []
    return shard


def ids(shard: ArmedShard) -> list[str]:
    """The entries of the outbox."""
    return [entry for entry, _ in shard.server.worker.xrange(shard.shard.outbox)]


def trim(shard: ArmedShard, *arguments: str) -> int:
    """Run the script."""
    return int(shard.call(scripts.TRIM, [shard.shard.outbox], *arguments))


def relay(shard: ArmedShard, count: int, acknowledge: int) -> None:
    """Deliver `count` entries to the relay's group and acknowledge the first ones."""
    outbox, worker = shard.shard.outbox, shard.server.worker
    delivered = ids(shard)[:count]
    worker.xreadgroup("relay", "r1", {outbox: ">"}, count=count)
    if acknowledge:
        worker.xack(outbox, "relay", *delivered[:acknowledge])


def test_relayed_entries_below_the_id_go(shard: ArmedShard) -> None:
    first, second, third = ids(shard)
    relay(shard, count=3, acknowledge=3)
    assert trim(shard, third) == 2
    assert ids(shard) == [third]
    assert first < second < third


def test_the_entry_of_the_id_itself_stays(shard: ArmedShard) -> None:
    first = ids(shard)[0]
    relay(shard, count=3, acknowledge=3)
    with shard.unchanged():
        assert trim(shard, first) == 0


def test_a_repeat_drops_nothing_more(shard: ArmedShard) -> None:
    third = ids(shard)[2]
    relay(shard, count=3, acknowledge=3)
    trim(shard, third)
    with shard.unchanged():
        assert trim(shard, third) == 0


def test_everything_may_go_when_everything_is_relayed(shard: ArmedShard) -> None:
    relay(shard, count=3, acknowledge=3)
    assert trim(shard, LAST_ID) == 3
    assert shard.books().outbox == 0


@pytest.mark.parametrize(
    ("delivered", "acknowledged"), [(0, 0), (1, 1), (2, 2), (3, 0), (3, 1), (3, 2)]
)
def test_what_kafka_may_not_have_stays(
    shard: ArmedShard, delivered: int, acknowledged: int
) -> None:
    if delivered:
        relay(shard, delivered, acknowledged)
    with shard.refuses("UNRELAYED"):
        trim(shard, LAST_ID)


def test_an_entry_above_the_id_may_be_unrelayed(shard: ArmedShard) -> None:
    second = ids(shard)[1]
    relay(shard, count=2, acknowledge=1)
    assert trim(shard, second) == 1
    assert ids(shard)[0] == second


def test_an_older_entry_without_acknowledgement_holds_the_younger_ones(shard: ArmedShard) -> None:
    first, second, third = ids(shard)
    relay(shard, count=3, acknowledge=0)
    shard.server.worker.xack(shard.shard.outbox, "relay", second, third)
    with shard.refuses("UNRELAYED"):
        trim(shard, third)
    shard.server.worker.xack(shard.shard.outbox, "relay", first)
    assert trim(shard, third) == 2


def test_another_group_does_not_count_as_relayed(shard: ArmedShard) -> None:
    outbox, worker = shard.shard.outbox, shard.server.worker
    worker.xgroup_create(outbox, "audit", "0")
    worker.xreadgroup("audit", "a1", {outbox: ">"}, noack=True)
    with shard.refuses("UNRELAYED"):
        trim(shard, LAST_ID)


def test_without_the_relays_group_nothing_goes(shard: ArmedShard) -> None:
    relay(shard, count=3, acknowledge=3)
    shard.server.operator.xgroup_destroy(shard.shard.outbox, "relay")
    with shard.refuses("UNRELAYED"):
        trim(shard, LAST_ID)


@pytest.mark.parametrize("arguments", [(), ("",), ("+",), ("MAXLEN",), ("5",), ("1-x",), ("a-1",)])
def test_what_is_no_id_is_refused(shard: ArmedShard, arguments: tuple[str, ...]) -> None:
    relay(shard, count=3, acknowledge=3)
    with shard.refuses("BADCALL"):
        trim(shard, *arguments)


def test_buyers_and_stock_stay_as_they_were(shard: ArmedShard) -> None:
    before = shard.books()
    relay(shard, count=3, acknowledge=3)
    trim(shard, LAST_ID)
    after = shard.books()
    assert (after.avail, after.sold, after.granted) == (before.avail, before.sold, before.granted)
