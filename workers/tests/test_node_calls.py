"""Who is looked for when several ask by turns and most cannot be found."""

from typing import Any, cast

import pytest

from tests.redis.waiting import until
from workers.runtime.verdicts import Unavailable
from workers.stock.keys import Shard
from workers.stock.node_calls import SEARCH_EVERY_S, SEARCH_MAX_S, NodeCalls

GONE, THERE = Shard(1, 0, 1), Shard(2, 0, 1, "standby")


class Hands:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


class Answering:
    """A node: its pipeline answers each command with its words."""

    def __init__(self) -> None:
        self._commands: list[tuple[Any, ...]] = []

    def pipeline(self, *, transaction: bool) -> "Answering":
        assert not transaction
        return Answering()

    def execute_command(self, *words: Any) -> None:
        self._commands.append(words)

    def execute(self, *, raise_on_error: bool) -> list[Any]:
        assert not raise_on_error
        return self._commands


class Clusters:
    """The primary is lost, the standby is there; a look takes as long as it is told."""

    def __init__(self, clock: Hands) -> None:
        self._clock, self.node, self.look_s = clock, Answering(), 0.0

    def of(self, _shard: Shard) -> "Clusters":
        return self

    def node_of(self, shard: Shard) -> Answering:
        self._clock.now_s += self.look_s
        if shard.source == "primary":
            raise Unavailable("no answer")
        return self.node


@pytest.fixture
def clock():
    return Hands()


@pytest.fixture
def clusters(clock):
    return Clusters(clock)


@pytest.fixture
def calls(clusters, clock):
    made = NodeCalls(cast(Any, clusters), cast(Any, clock))
    yield made
    made.close()


def _searched(calls: NodeCalls) -> None:
    """Until the search under way is over."""
    until(lambda: calls._search is None or calls._search.done(), "the search")


def test_who_always_asks_between_two_searches_is_found_all_the_same(calls, clock):
    """Acknowledging, for a shard that is gone, is always there first when a search is due."""
    for _ in range(3):
        calls.ask("acknowledge", [GONE], lambda shard: ("XACK", shard.tag))
        _searched(calls)
        clock.now_s += SEARCH_EVERY_S / 2
        answers = calls.ask("read", [THERE], lambda shard: ("XREADGROUP", shard.tag))
        clock.now_s += SEARCH_EVERY_S / 2 + 0.001
    assert [answer.reply for answer in answers] == [("XREADGROUP", THERE.tag)]


def test_who_was_not_reached_by_a_search_that_took_long_comes_first_in_the_next(
    calls, clusters, clock
):
    clusters.look_s = SEARCH_MAX_S + 0.1
    gone = [Shard(1, number, 1) for number in range(5)]
    calls.ask("read", [*gone, THERE], lambda shard: ("XREADGROUP", shard.tag))
    for _ in range(5):
        _searched(calls)
        clock.now_s += SEARCH_EVERY_S
        # Whatever else is asked for now.
        calls.ask("read", gone, lambda shard: ("XREADGROUP", shard.tag))
    _searched(calls)
    calls.ask("read", gone, lambda shard: ("XREADGROUP", shard.tag))
    assert THERE in calls._nodes
