"""The fence: a script acts only on a shard that was armed for its epoch, in this life, and stands.

Each script checks each condition itself, so each is tried with each, and each check has a control:
with that check taken out, and nothing else, the same call is no longer refused.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from tests.redis.armed_shard import ArmedShard, Request
from tests.redis.conftest import Arm
from tests.redis.mutants import replaced
from tests.redis.server import StockServer
from workers.stock import scripts
from workers.stock.keys import Shard

OTHER_LIFE = "f" * 40

CALLS: dict[str, Callable[[ArmedShard], Any]] = {
    "reserve": lambda shard: shard.reserve(Request("zoe")),
    "grant": lambda shard: shard.grant(5),
    "reclaim": lambda shard: shard.reclaim(5),
    "release": lambda shard: shard.release(Request("ann")),
    "mark_sold_out": lambda shard: shard.mark_sold_out(left=100),
    "ban": lambda shard: shard.ban({"ann": 1}),
}
FIELDS = {
    "another epoch": ("epoch", "2"),
    "another life": ("life", OTHER_LIFE),
    "half a life": ("life", ""),
    "disarmed": ("disarmed", "1"),
}
MISSING = {
    "no epoch": "epoch",
    "no life": "life",
    "no limit": "limit",
    "no count of sales": "sold",
}
# What is taken out of the condition, and what stands there instead.
CHECKS = {
    "another epoch": "ctl[1] ~= epoch",
    "another life": 'not string.find(redis.call("INFO", "replication"), life, 1, true)',
    "disarmed": " or ctl[2]",
    "no limit": "not tonumber(ctl[4])",
    "no stock": "not avail",
}
OFF = {"disarmed": ""}
RESERVE_CHECKS = CHECKS | {
    "another epoch": "ctl[1] ~= EPOCH",
    "no limit": "not limit",
    "no count of sales": "not sold",
}


@contextmanager
def spoilt(shard: ArmedShard, condition: str) -> Iterator[None]:
    """One condition of the fence is not met inside."""
    ctl, operator = shard.shard.ctl, shard.server.operator
    before = operator.hgetall(ctl)
    if condition == "no stock":
        with shard.replaced(shard.shard.avail, "PING"):
            yield
        return
    if condition in MISSING:
        operator.hdel(ctl, MISSING[condition])
    else:
        field, value = FIELDS[condition]
        operator.hset(ctl, field, value)
    yield
    operator.delete(ctl)
    operator.hset(ctl, mapping=before)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("condition", [*FIELDS, "no epoch", "no life", "no limit", "no stock"])
def test_it_refuses(arm: Arm, name: str, condition: str) -> None:
    shard = arm()
    shard.reserve(Request("ann"))
    with spoilt(shard, condition), shard.refuses("FENCED"):
        CALLS[name](shard)
    assert shard.books().fault == ""


def test_reserve_refuses_without_a_count_of_sales(arm: Arm) -> None:
    shard = arm()
    with spoilt(shard, "no count of sales"), shard.refuses("FENCED"):
        shard.reserve(Request("zoe"))


@pytest.mark.parametrize("name", CALLS)
def test_it_refuses_half_of_this_life(arm: Arm, name: str) -> None:
    shard = arm()
    life = shard.server.life
    for part in (life[:20], life[20:], life + "0"):
        shard.server.operator.hset(shard.shard.ctl, "life", part)
        with shard.refuses("FENCED"):
            CALLS[name](shard)
    shard.server.operator.hset(shard.shard.ctl, "life", life)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("avail", ["-1", "1.5", "some", "", "1e1", " 5", "0x5", "5 ", "nan"])
def test_it_refuses_stock_that_is_no_count(arm: Arm, name: str, avail: str) -> None:
    shard = arm()
    with (
        shard.replaced(shard.shard.avail, "SET", shard.shard.avail, avail),
        shard.refuses("FENCED"),
    ):
        CALLS[name](shard)


@pytest.mark.parametrize("name", CALLS)
def test_it_refuses_a_shard_that_nobody_armed(
    server: StockServer, unused_item: int, name: str
) -> None:
    shard = ArmedShard(server, Shard(unused_item, shard=0, epoch=1), limit=1)
    shard.load(shard.script)
    with shard.refuses("FENCED"):
        CALLS[name](shard)


@pytest.mark.parametrize("sold", ["-1", "1.5", "some", "", "1e1", "nan"])
def test_reserve_refuses_a_count_of_sales_that_is_no_count(arm: Arm, sold: str) -> None:
    shard = arm()
    shard.server.operator.hset(shard.shard.ctl, "sold", sold)
    with shard.refuses("FENCED"):
        shard.reserve(Request("ann"))
    shard.server.operator.hset(shard.shard.ctl, "sold", 0)


def is_fenced(call: Callable[[ArmedShard], Any], shard: ArmedShard) -> bool:
    try:
        call(shard)
    except redis.ResponseError as error:
        # What a script does without its checks is its own affair, but it must be a script.
        assert "compiling" not in str(error)
        return str(error).startswith("FENCED")
    return False


def checks() -> list[tuple[str, str, str]]:
    return [
        (name, condition, check)
        for name in CALLS
        for condition, check in (RESERVE_CHECKS if name == "reserve" else CHECKS).items()
    ]


@pytest.mark.parametrize(("name", "condition", "check"), checks())
def test_without_this_check_it_would_not_refuse(
    arm_unchecked: Arm, name: str, condition: str, check: str
) -> None:
    shard = arm_unchecked()
    script = shard.script if name == "reserve" else scripts.load(name)
    with spoilt(shard, condition):
        assert is_fenced(CALLS[name], shard)
        shard.replace(script, replaced(script, check, OFF.get(condition, "false")))
        assert not is_fenced(CALLS[name], shard)


@pytest.mark.parametrize("name", CALLS)
def test_a_key_of_a_wrong_type_changes_nothing(arm: Arm, name: str) -> None:
    shard = arm()
    for key in (shard.shard.ctl, shard.shard.avail):
        wrong = shard.replaced(key, "RPUSH", key, "not what it should be")
        with wrong, shard.refuses("WRONGTYPE"):
            CALLS[name](shard)


def test_the_checks_are_the_same_in_every_script() -> None:
    fences = {fence_of(scripts.load(name).text) for name in CALLS if name != "reserve"}
    assert len(fences) == 1


def fence_of(text: str) -> str:
    """From the reading of the stock to the refusal; what else of ctl a script reads is its own."""
    return text[text.index("local avail =") : text.index('" is not armed here")')]
