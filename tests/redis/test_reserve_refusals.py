"""reserve.lua: calls that are refused whole. Each leaves every key as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from tests.redis.armed_shard import Answer, Request
from tests.redis.conftest import Arm
from tests.redis.server import StockServer
from workers.stock import scripts
from workers.stock.keys import Shard

QUANTITIES = [0, -1, "01", "1.5", "one", "", "nan", "inf", "-inf", "1e999", " 1", "1,x=1", "1=1x"]


@pytest.mark.parametrize("qty", QUANTITIES)
def test_a_quantity_that_is_no_positive_integer_refuses_the_batch(arm: Arm, qty: str) -> None:
    shard = arm(limit=5)
    with shard.refuses("BADCALL line of request 2"):
        shard.reserve(Request("ann"), Request("bob", qty), Request("cem"))


@pytest.mark.parametrize(
    "line",
    ["", " ", "bob", "bob id", "bob id=1", " id=1 rest", "bob id rest", "bob =1rest", "bob  "],
)
def test_a_line_that_is_cut_or_empty_refuses_the_batch(arm: Arm, line: str) -> None:
    shard = arm()
    with shard.refuses("BADCALL line of request 2"):
        shard.evalsha(*shard.arguments(Request("ann")), line)


@pytest.mark.parametrize("size", [1025, 4100])
def test_a_batch_larger_than_the_gateway_may_send_is_refused(arm: Arm, size: int) -> None:
    # From 4000 winners on, Lua could not unpack the arguments of HSET, which comes after XADD.
    shard = arm(units=5000)
    with shard.refuses("BADCALL argument count"):
        shard.reserve(*(Request(f"shopper-{n}") for n in range(size)))


def test_no_arguments_at_all_are_refused(arm: Arm) -> None:
    shard = arm()
    with shard.refuses("BADCALL"):
        shard.evalsha()


def test_keys_of_another_shard_are_refused(arm: Arm) -> None:
    shard, other = arm(), arm()
    arguments = shard.arguments(Request("ann"))
    with other.unchanged(), shard.refuses("BADCALL keys of another shard"):
        shard.evalsha(*arguments, keys=other.keys)


def test_a_missing_key_is_refused(arm: Arm) -> None:
    shard = arm()
    arguments = shard.arguments(Request("ann"))
    with shard.refuses("BADCALL"):
        shard.evalsha(*arguments, keys=shard.keys[:3])


@pytest.mark.parametrize("name", ["buyers", "outbox"])
def test_a_key_of_the_wrong_type_changes_nothing(arm: Arm, name: str) -> None:
    shard = arm()
    shard.reserve(Request("zoe"))
    key = getattr(shard.shard, name)
    with (
        shard.replaced(key, "RPUSH", key, "not what it should be"),
        shard.refuses("WRONGTYPE"),
    ):
        shard.reserve(Request("ann"))


def test_an_unknown_script_is_refused_until_it_is_loaded_again(arm: Arm) -> None:
    shard = arm()
    shard.server.operator.script_flush()
    with shard.unchanged(), pytest.raises(redis.exceptions.NoScriptError):
        shard.reserve(Request("ann"))
    shard.load(shard.script)
    assert shard.reserve(Request("ann")) == Answer("R")


def test_each_epoch_has_a_script_of_its_own(arm: Arm) -> None:
    shard = arm()
    item = shard.shard.item
    others = [Shard(item, 0, 2), Shard(item, 1, 1), Shard(item + 1, 0, 1)]
    shas = {scripts.reserve_for(one).sha for one in (shard.shard, *others)}
    assert len(shas) == 4


def test_a_full_server_refuses_the_whole_batch(arm: Arm) -> None:
    shard = arm(units=10)
    whole = [Request(f"shopper-{n}") for n in range(5)]
    with (
        full(shard.server),
        shard.unchanged(),
        pytest.raises(redis.exceptions.OutOfMemoryError),
    ):
        shard.reserve(*whole)
    assert shard.reserve(*whole) == Answer("RRRRR")


def test_a_full_server_does_not_even_begin(arm: Arm) -> None:
    # A batch that would write nothing shows it: that is what the shebang is for.
    shard = arm(units=10)
    shard.reserve(Request("ann"))
    with full(shard.server), pytest.raises(redis.exceptions.OutOfMemoryError):
        shard.reserve(Request("ann"))


@contextmanager
def full(server: StockServer) -> Iterator[None]:
    """A server that has used all the memory it may."""
    allowed = server.operator.config_get("maxmemory")["maxmemory"]
    server.operator.config_set("maxmemory", 1)
    try:
        yield
    finally:
        server.operator.config_set("maxmemory", allowed)
