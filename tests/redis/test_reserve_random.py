"""reserve.lua under random batches: against the model, and from several connections at once."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from tests.redis.armed_shard import ArmedShard, Request
from tests.redis.conftest import Arm
from tests.redis.model import Model, random_batch
from tests.redis.mutants import replaced, without

CONNECTIONS = 4
BATCHES = 25


@pytest.mark.parametrize("seed", range(5))
def test_it_answers_every_request_as_the_model(arm: Arm, seed: int) -> None:
    rng = random.Random(seed)
    units = rng.choice([0, 7, 40, 200])
    limit = rng.randint(1, 5)
    shard, model = arm(units, limit), Model(units, limit)
    for _ in range(BATCHES):
        batch = random_batch(rng, shoppers=40)
        assert shard.reserve(*batch) == model.reserve(*batch), f"seed {seed}"
        if model.avail == 0 and not model.sold_out:
            model.sold_out = shard.mark_sold_out() == 1
    assert shard.books().avail == model.avail, f"seed {seed}"


@pytest.mark.parametrize("seed", range(3))
def test_several_connections_at_once_sell_each_unit_once(arm: Arm, seed: int) -> None:
    shard = arm(units=150, limit=4)
    told = sell_from_several_connections(shard, seed)
    books = shard.books()
    assert (books.avail, books.sold) == (0, 150), f"seed {seed}"
    assert sum(told.values()) == 150, f"seed {seed}"


def sell_from_several_connections(shard: ArmedShard, seed: int) -> Counter[str]:
    """Random batches until nobody wants more; the units told reserved, by reservation."""
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        parts = list(pool.map(lambda n: shop(shard, seed * 100 + n), range(CONNECTIONS)))
    told: Counter[str] = Counter()
    for part in parts:
        assert not part.keys() & told.keys(), "two were told that the same reservation is new"
        told += part
    return told


def shop(shard: ArmedShard, seed: int) -> Counter[str]:
    """One connection's batches; ends early when the script refuses, as only mutants make it."""
    rng, told = random.Random(seed), Counter[str]()
    with shard.server.client("gateway") as client:
        for _ in range(BATCHES):
            batch = random_batch(rng, shoppers=200)
            try:
                answer = shard.reserve(*batch, client=client)
            except redis.ResponseError:
                break
            for request, code in zip(batch, answer.codes, strict=True):
                if code == "R":
                    told[shard.reservation_id(request)] += int(request.qty)
    return told


STOCK_CHECK = "taken + qty > avail"
BUYER_CHECK = "qty + (mine and units_of(mine) or 0) > limit"
REPEAT_CHECK = 'mine and string.find(mine, reservation_id .. "=", 1, true)'


@pytest.mark.parametrize(
    ("guard", "fault"),
    [(STOCK_CHECK, "oversold"), (BUYER_CHECK, "over limit"), (REPEAT_CHECK, "doubled")],
)
def test_without_this_guard_the_books_would_not_balance(
    arm_unchecked: Arm, guard: str, fault: str
) -> None:
    shard = arm_unchecked(units=100, limit=4)
    shard.load(without(shard.script, guard))
    shop(shard, seed=1)
    assert fault in {found.split(":")[0] for found in shard.faults()}


def test_without_looking_at_its_own_batch_units_would_leak(arm_unchecked: Arm) -> None:
    shard = arm_unchecked(units=100, limit=4)
    shard.load(replaced(shard.script, "bought[shopper] or held[i]", "held[i]"))
    shop(shard, seed=1)
    assert {"leak", "unbought"} <= {found.split(":")[0] for found in shard.faults()}


def test_a_guard_that_is_gone_from_the_script_is_noticed(arm: Arm) -> None:
    with pytest.raises(AssertionError, match="any more"):
        without(arm().script, "a guard that never was")


def test_the_shoppers_of_the_controls_balance_with_every_guard_in_place(arm: Arm) -> None:
    shard = arm(units=100, limit=4)
    told = shop(shard, seed=1)
    assert sum(told.values()) == shard.books().sold == 100
    assert shard.reserve(Request("late")).codes == "E"
