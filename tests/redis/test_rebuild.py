"""rebuild.lua: what shoppers hold already, written into an epoch before it is armed."""

import pytest

from tests.redis.armed_shard import Answer, ArmedShard, Request
from tests.redis.books import held_by
from tests.redis.mutants import replaced, without
from tests.redis.server import StockServer
from workers.stock import scripts
from workers.stock.keys import Shard

OTHER_LIFE = "f" * 40


@pytest.fixture
def shard(server: StockServer, unused_item: int) -> ArmedShard:
    """A shard that nobody has armed."""
    return ArmedShard(server, Shard(unused_item, shard=0, epoch=1), limit=3)


def held(shard: ArmedShard) -> dict[str, list[tuple[str, int]]]:
    """The buyers as stored."""
    return held_by(shard.server.worker, shard.shard)


def test_they_are_known_when_the_shard_sells(shard: ArmedShard) -> None:
    ann, bob = Request("ann", 2), Request("bob", 1)
    assert shard.rebuild(
        ("ann", shard.reservation_id(ann), 2), ("bob", shard.reservation_id(bob), 0)
    )
    shard.arm()
    shard.grant(10)
    answer = shard.reserve(
        ann, Request("ann", 2, "more"), Request("ann", 1, "more"), bob, Request("bob", 3, "more")
    )
    assert answer == Answer("ALRAR", (2, 0))
    assert shard.faults() == []


def test_several_of_one_shopper_come_together(shard: ArmedShard) -> None:
    shard.rebuild(("ann", "a", 1), ("bob", "b", 2), ("ann", "c", 0))
    shard.rebuild(("ann", "d", 2))
    assert held(shard) == {"ann": [("a", 1), ("c", 0), ("d", 2)], "bob": [("b", 2)]}


def test_what_stands_is_kept(shard: ArmedShard) -> None:
    # PostgreSQL comes first; an old epoch does not know yet that an order has ended.
    shard.rebuild(("ann", "a", 0), ("bob", "b", 2), ("bob", "b", 1))
    with shard.unchanged():
        assert shard.rebuild(("ann", "a", 2), ("bob", "b", 0)) == 1
    assert held(shard) == {"ann": [("a", 0)], "bob": [("b", 2)]}


def test_an_id_that_ends_like_another_is_another(shard: ArmedShard) -> None:
    shard.rebuild(("ann", "xa", 1), ("ann", "a", 1))
    shard.rebuild(("ann", "bxa", 1))
    assert held(shard) == {"ann": [("xa", 1), ("a", 1), ("bxa", 1)]}


def test_a_thousand_are_written_at_once(shard: ArmedShard) -> None:
    assert shard.rebuild(*((f"s{n}", f"r{n}", 1) for n in range(1000))) == 1
    assert len(held(shard)) == 1000


def test_an_armed_shard_is_left_alone_and_says_so(shard: ArmedShard) -> None:
    shard.rebuild(("ann", "a", 1))
    shard.arm()
    shard.grant(5)
    shard.reserve(Request("bob"))
    with shard.unchanged():
        assert shard.rebuild(("cem", "c", 1)) == 0


@pytest.mark.parametrize(
    ("field", "value"), [("life", OTHER_LIFE), ("epoch", "2"), ("disarmed", "1")]
)
def test_keys_of_another_life_or_epoch_and_disarmed_ones_are_left_alone(
    shard: ArmedShard, field: str, value: str
) -> None:
    shard.arm()
    shard.server.operator.hset(shard.shard.ctl, field, value)
    with shard.refuses("FENCED"):
        shard.rebuild(("ann", "a", 1))


@pytest.mark.parametrize("name", ["avail", "outbox"])
def test_stock_without_its_record_is_not_taken_for_a_new_epoch(
    shard: ArmedShard, name: str
) -> None:
    shard.arm()
    other = {"avail": shard.shard.outbox, "outbox": shard.shard.avail}[name]
    shard.server.operator.delete(shard.shard.ctl, other)
    with shard.refuses("FENCED"):
        shard.rebuild(("ann", "a", 1))


def test_a_node_that_lives_another_life_is_refused(shard: ArmedShard) -> None:
    with shard.refuses("FENCED"):
        shard.rebuild(("ann", "a", 1), life=OTHER_LIFE)


@pytest.mark.parametrize(
    "words",
    [
        (),
        (1,),
        (1, OTHER_LIFE),
        (1, OTHER_LIFE, "ann"),
        (1, OTHER_LIFE, "ann", "a"),
        (1, OTHER_LIFE, "ann", "a", 1, "bob"),
        (1, "", "ann", "a", 1),
        (1, "any.*", "ann", "a", 1),
        (1, OTHER_LIFE, *("ann", "a", 1) * 1001),
    ],
)
def test_a_wrong_call_is_refused(shard: ArmedShard, words: tuple[str | int, ...]) -> None:
    keys = [shard.shard.ctl, shard.shard.avail, shard.shard.buyers, shard.shard.outbox]
    with shard.refuses("BADCALL"):
        shard.call(scripts.REBUILD, keys, *words)


@pytest.mark.parametrize("wrong", [("", 1), ("a,b", 1), ("a=1", 1), ("a", "-1"), ("a", "x")])
def test_a_reservation_that_would_spoil_the_others_is_refused(
    shard: ArmedShard, wrong: tuple[str, int | str]
) -> None:
    with shard.refuses("BADCALL reservation 2"):
        shard.rebuild(("ann", "a", 1), ("bob", *wrong))


GUARDS = {
    "life": (
        'not string.find(redis.call("INFO", "replication"), '
        '"\\nmaster_replid:" .. life .. "\\r\\n", 1, true)'
    ),
    "keys": 'redis.call("EXISTS", KEYS[1], KEYS[2], KEYS[4]) > 0',
    "armed": "ctl[1] == epoch and ctl[2] == life and not ctl[3]",
}


def test_without_its_guard_it_would_write_in_another_life(shard: ArmedShard) -> None:
    shard.replace(scripts.REBUILD, without(scripts.REBUILD, GUARDS["life"]))
    assert shard.rebuild(("ann", "a", 1), life=OTHER_LIFE) == 1


def test_without_its_guard_it_would_write_over_a_selling_shard(shard: ArmedShard) -> None:
    shard.arm()
    both_off = without(without(scripts.REBUILD, GUARDS["armed"]), GUARDS["keys"])
    shard.replace(scripts.REBUILD, both_off)
    assert shard.rebuild(("ann", "a", 1)) == 1


def test_without_its_guard_two_agents_would_rearm_each_other(shard: ArmedShard) -> None:
    shard.arm()
    shard.replace(scripts.REBUILD, without(scripts.REBUILD, GUARDS["armed"]))
    with shard.refuses("FENCED"):
        shard.rebuild(("ann", "a", 1))


def test_without_its_guard_it_would_write_what_stands_a_second_time(shard: ArmedShard) -> None:
    known = 'not string.find("," .. mine, "," .. reservation_id .. "=", 1, true)'
    shard.replace(scripts.REBUILD, replaced(scripts.REBUILD, known, "true"))
    for _ in range(2):
        shard.rebuild(("ann", "a", 1))
    assert held(shard) == {"ann": [("a", 1), ("a", 1)]}
