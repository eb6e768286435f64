"""Random agents and shoppers on one shard, every answer compared with the model's."""

import copy
import random

import pytest
import redis

from tests.redis.armed_shard import ArmedShard, Request
from tests.redis.books import held_by
from tests.redis.model import Model

STEPS = 80
SHOPPERS = 12
# Of marks, in ms: of now, of a second ago, of before the clock was set back.
AGES_MS = (0, 0, 0, 1500, -5000)

# Of bans: over already, lifted, standing.
AHEAD_MS = (-1000, 0, 0, 60_000)


def play(shard: ArmedShard, seed: int) -> Model:
    """One life of an armed shard; AssertionError at the first difference from the model."""
    player = _Player(shard, seed)
    for _ in range(STEPS):
        player.step()
    player.compare_all()
    return player.model


def refuse_all(shard: ArmedShard, seed: int) -> None:
    """After disarming nothing is done any more, whatever was done before."""
    shard.disarm()
    player = _Player(shard, seed)
    for _ in range(STEPS // 4):
        with shard.unchanged(), pytest.raises(redis.ResponseError, match=r"^FENCED"):
            player.step()


def random_batch(rng: random.Random, shoppers: int) -> list[Request]:
    """Few shoppers and few keys, so that repeats, doubles and limits meet in one batch."""
    return [_request(rng, shoppers) for _ in range(rng.randint(1, 24))]


def _request(rng: random.Random, shoppers: int) -> Request:
    return Request(f"s{rng.randrange(shoppers)}", rng.randint(1, 3), rng.choice("abcd"))


class _Player:
    def __init__(self, shard: ArmedShard, seed: int) -> None:
        self.shard, self.model = shard, Model(shard.limit)
        self._rng, self._seed = random.Random(seed), seed

    def step(self) -> None:
        """One call."""
        calls = [self._reserve, self._grant, self._reclaim, self._release, self._mark, self._ban]
        (call,) = self._rng.choices(calls, [5, 2, 2, 3, 3, 1])
        call()
        books = self.shard.books()
        seen = (books.avail, books.sold, books.lacking, books.bans, books.balanced)
        model = self.model
        self._agree(seen, (model.avail, model.sold, model.lacking, len(model.bans), 1))

    def compare_all(self) -> None:
        """Every key."""
        worker, shard = self.shard.server.worker, self.shard.shard
        self._agree(self.shard.faults(), [])
        held = {shopper: dict(some) for shopper, some in held_by(worker, shard).items()}
        expected = {
            shopper: {
                self.shard.reservation_id(Request(shopper, key=key)): qty
                for key, qty in some.items()
            }
            for shopper, some in self.model.held.items()
            if some
        }
        self._agree(held, expected)
        for key, movements in (
            (shard.grants, self.model.grants),
            (shard.reclaims, self.model.reclaims),
        ):
            self._agree({one: int(qty) for one, qty in worker.hgetall(key).items()}, movements)

    def _reserve(self) -> None:
        batch = random_batch(self._rng, SHOPPERS)
        before_ms = self.shard.server.now_ms()
        answer = self.shard.reserve(*batch)
        # A mark may have run out during the call; then the later time is as good.
        other = copy.deepcopy(self.model)
        expected = self.model.reserve(before_ms, *batch)
        if answer != expected:
            expected, self.model = other.reserve(self.shard.server.now_ms(), *batch), other
        self._agree(answer, expected)

    def _grant(self) -> None:
        grant_id, qty = self._id(self.model.grants), self._rng.randint(1, 9)
        self._agree(self.shard.grant(qty, grant_id), self.model.grant(grant_id, qty))

    def _reclaim(self) -> None:
        reclaim_id = self._id(self.model.reclaims)
        want, low_water = self._rng.randint(1, 9), self._rng.choice([0, 0, 1, 3])
        self._agree(
            self.shard.reclaim(want, low_water, reclaim_id),
            self.model.reclaim(reclaim_id, want, low_water),
        )

    def _release(self) -> None:
        request = _request(self._rng, SHOPPERS)
        self._agree(self.shard.release(request), self.model.release(request))

    def _mark(self) -> None:
        version_ms = self.shard.server.now_ms() - self._rng.choice(AGES_MS)
        left = self._rng.choice([0, 0, self.model.avail, self._rng.randint(0, 5)])
        self._agree(
            self.shard.mark_sold_out(left, version_ms),
            self.model.mark_sold_out(version_ms, left),
        )

    def _ban(self) -> None:
        now_ms = self.shard.server.now_ms()
        shoppers = [f"s{number}" for number in self._rng.sample(range(SHOPPERS), 4)]
        ends_ms = {
            one: now_ms + ahead_ms if (ahead_ms := self._rng.choice(AHEAD_MS)) else 0
            for one in shoppers
        }
        self._agree(self.shard.ban(ends_ms), self.model.ban(ends_ms))

    def _id(self, known: dict[str, int]) -> str:
        """A new one, or one that was used before."""
        if known and self._rng.random() < 0.3:
            return self._rng.choice(list(known))
        return f"{self._seed}-{len(known)}"

    def _agree(self, seen: object, expected: object) -> None:
        assert seen == expected, f"seed {self._seed}"
