"""Figures alone: who should have how many units."""

import random

import pytest

from workers.agent.levelling import Demand, equal_shares, random_portions, targets

RNG = random.Random(7)


def _shards(*pairs):
    return {number: Demand(*pair) for number, pair in enumerate(pairs)}


def test_before_the_sale_all_shares_are_equal():
    assert equal_shares(31, _shards((0, 0), (0, 0), (0, 0)), 3) == {0: 11, 1: 10, 2: 10}


def test_a_shard_that_is_not_there_yet_finds_its_share_in_the_pool():
    assert equal_shares(30, _shards((0, 0), (0, 0)), 3) == {0: 10, 1: 10}
    assert equal_shares(10, _shards((10, 0), (10, 0)), 3) == {}
    assert equal_shares(10, _shards((10, 0), (10, 0), (0, 0)), 3) == {2: 10}


def test_portions_never_exceed_the_pool():
    assert equal_shares(4, _shards((0, 0), (9, 0), (0, 0)), 3) == {0: 4}
    for units in range(1, 50):
        portions = random_portions(units, _shards((3, 0), (0, 0), (1, 0)), RNG)
        assert 1 <= sum(portions.values()) <= units


def test_returned_units_leave_the_pool_in_portions_that_nobody_can_foresee():
    seen = {
        tuple(sorted(random_portions(90, _shards((0, 0), (0, 0), (0, 0)), RNG).items()))
        for _ in range(50)
    }
    assert len(seen) > 25


def test_units_of_the_pool_go_to_who_was_refused():
    for _ in range(20):
        portions = random_portions(10, _shards((3, 0), (0, 1), (9, 0)), RNG)
        assert set(portions) == {1}


def test_who_was_refused_several_gets_all_of_them_at_once():
    for _ in range(20):
        assert random_portions(10, _shards((3, 0), (1, 7)), RNG)[1] >= 6


def test_shards_that_are_nearly_level_are_left_alone():
    assert targets(_shards((10, 0), (6, 0), (7, 0)), RNG, True) == {}
    assert targets(_shards((3, 0), (0, 0), (0, 0)), RNG, True) == {}
    assert targets(_shards((0, 0), (0, 0)), RNG, True) == {}
    assert targets(_shards((0, 1), (0, 0)), RNG, True) == {}


def test_shards_that_are_not_level_are_levelled():
    assert targets(_shards((20, 0), (9, 0), (1, 0)), RNG, True) == {0: 10, 1: 10, 2: 10}


def test_who_is_refused_is_levelled_however_near_it_is():
    assert targets(_shards((10, 0), (6, 7)), RNG, True) == {0: 8, 1: 8}


def test_of_the_last_units_each_goes_where_it_was_asked_for():
    assert targets(_shards((1, 0), (0, 1)), RNG, True) == {0: 0, 1: 1}
    assert targets(_shards((2, 0), (0, 1), (0, 2)), RNG, True) in (
        {0: 0, 1: 2, 2: 0},
        {0: 0, 1: 1, 2: 1},
    )


def test_a_larger_wish_is_met_when_all_units_together_meet_it():
    assert targets(_shards((1, 0), (1, 3), (1, 0)), RNG, True) == {0: 0, 1: 3, 2: 0}
    wanted = targets(_shards((1, 2), (1, 2)), RNG, True)
    assert sorted(wanted.values()) == [0, 2]


def test_units_that_are_too_few_for_every_wish_go_round():
    assert targets(_shards((2, 0), (0, 5)), RNG, True) == {0: 0, 1: 2}
    assert targets(_shards((0, 0), (2, 5)), RNG, True) == {}
    assert targets(_shards((0, 3), (2, 5)), RNG, True) == {0: 2, 1: 0}


def test_the_last_units_rest_where_they_were_brought():
    assert targets(_shards((1, 0), (0, 1)), RNG, False) == {}
    assert targets(_shards((9, 0), (0, 0)), RNG, False) == {}
    assert targets(_shards((9, 0), (0, 1)), RNG, False) == {0: 4, 1: 5}, "these are not the last"


@pytest.mark.parametrize("seed", range(300))
def test_targets_keep_the_sum(seed):
    rng = random.Random(seed)
    shards = _shards(*((rng.randrange(9), rng.randrange(12)) for _ in range(rng.randint(1, 5))))
    wanted = targets(shards, rng, True)
    total = sum(one.avail for one in shards.values())
    assert not wanted or (sum(wanted.values()) == total and min(wanted.values()) >= 0)
    assert not wanted or wanted.keys() == shards.keys()
    lacking = [one for one in shards.values() if one.need]
    if lacking and total >= min(one.lacking for one in lacking):
        # Somebody's wish can be met, so somebody's is.
        assert any(wanted[number] >= one.lacking for number, one in shards.items() if one.need)
