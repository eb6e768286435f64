"""All scripts of a selling shard under random calls: against the model, and all at once.

The controls take one rule out of one script: the same random calls must then differ.
"""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from tests.redis.armed_shard import ArmedShard, Request
from tests.redis.conftest import Arm
from tests.redis.mutants import RULES, Rule, replaced, without
from tests.redis.play import play, random_batch, refuse_all
from workers.stock import scripts

CONNECTIONS = 4
BATCHES = 25
# Each rule is missed within so many seeds, most by the first.
SEEDS = 12


def limit_of(seed: int) -> int:
    return 1 + seed % 5


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_answer_is_the_models(arm: Arm, seed: int) -> None:
    shard = arm(units=0, limit=limit_of(seed))
    model = play(shard, seed)
    assert model.sold > 0, f"seed {seed} sells nothing"
    refuse_all(shard, seed)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.script}: {rule.says}")
def test_without_this_rule_an_answer_differs(arm_unchecked: Arm, rule: Rule) -> None:
    for seed in range(SEEDS):
        shard = arm_unchecked(units=0, limit=limit_of(seed))
        script = shard.script if rule.script == "reserve" else scripts.load(rule.script)
        shard.replace(script, replaced(script, rule.text, rule.instead))
        try:
            play(shard, seed)
            refuse_all(shard, seed)
        except (AssertionError, redis.ResponseError, pytest.fail.Exception) as error:
            assert "compiling" not in str(error)
            return
    pytest.fail(f"{SEEDS} seeds do not miss it")


def test_a_rule_that_is_gone_from_its_script_is_noticed(arm: Arm) -> None:
    with pytest.raises(AssertionError, match="any more"):
        without(arm().script, "a guard that never was")


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
    """One connection's batches."""
    rng, told = random.Random(seed), Counter[str]()
    with shard.server.client("gateway") as client:
        for _ in range(BATCHES):
            batch = random_batch(rng, shoppers=200)
            answer = shard.reserve(*batch, client=client)
            for request, code in zip(batch, answer.codes, strict=True):
                if code == "R":
                    told[shard.reservation_id(request)] += int(request.qty)
    return told


def test_grants_and_reclaims_at_once_lose_no_unit(arm: Arm) -> None:
    shard = arm(units=200, limit=4)

    def move(n: int) -> int:
        with shard.server.client("worker") as client:
            keys = [shard.shard.ctl, shard.shard.avail]
            taken = 0
            for turn in range(BATCHES):
                one = f"{n}-{turn}"
                grants, reclaims = [*keys, shard.shard.grants], [*keys, shard.shard.reclaims]
                client.eval(scripts.GRANT.text, 3, *grants, 1, one, 3)
                taken += client.eval(scripts.RECLAIM.text, 3, *reclaims, 1, one, 2, 1)
        return taken

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        movers = [pool.submit(move, n) for n in range(2)]
        told = [pool.submit(shop, shard, n) for n in range(2)]
        taken = sum(mover.result() for mover in movers)
        sold = sum(sum(part.result().values()) for part in told)
    books = shard.books()
    assert books.granted == 200 + 2 * BATCHES * 3
    assert (books.reclaimed, books.sold) == (taken, sold)
    assert shard.reserve(Request("late")).codes in ("R", "E")
