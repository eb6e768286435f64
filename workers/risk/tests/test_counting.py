"""Counting in bounded memory: exact where it says so, and close where it does not."""

import random

import pytest

from workers.risk.counting import Kept, Lately, Rates


def test_members_are_counted_once_and_only_lately():
    seen = Lately(10)
    assert [seen.add(name, at, 100) for at, name in enumerate("abca")] == [1, 2, 3, 3]
    assert seen.add("d", 102, 100) == 2, "only a was seen after 2, and d"


def test_it_is_exact_up_to_its_size_and_never_larger():
    rng, seen, last = random.Random(7), Lately(20), {}
    for at_ms in range(3000):
        member = rng.randrange(40)
        last[member] = at_ms
        exact = sum(at > at_ms - 30 for at in last.values())
        assert seen.add(str(member), at_ms, 30) == min(exact, 20)


@pytest.mark.parametrize("seed", range(5))
def test_a_steady_rate_is_estimated_within_a_tenth(seed):
    rng, rates, times = random.Random(seed), Rates(), []
    at_ms = 1_000_000
    for _ in range(3000):
        at_ms += rng.randrange(1, 40)
        times.append(at_ms)
        requests, bad, limited = rates.add(at_ms, 10_000, 1, True, False)
        assert bad == requests
        assert limited == 0
        if at_ms > 1_030_000:
            exact = sum(time > at_ms - 10_000 for time in times)
            assert abs(requests - exact) < 0.15 * exact


def test_after_a_pause_nothing_is_left():
    rates = Rates()
    rates.add(10_000, 10_000, 50, True, True)
    assert rates.add(30_000, 10_000, 1, False, False) == (1, 0, 0)


def test_an_event_that_comes_late_spoils_nothing():
    rates = Rates()
    rates.add(20_000, 10_000, 5, False, False)
    assert rates.add(15_000, 10_000, 1, False, False)[0] == 6


def test_who_was_met_longest_ago_is_forgotten_first():
    kept: Kept[list[int]] = Kept(2, list)
    kept["a"].append(1)
    kept["b"].append(1)
    kept["a"].append(1)
    kept["c"].append(1)
    assert (len(kept), kept["a"]) == (2, [1, 1])
    assert kept["b"] == []
