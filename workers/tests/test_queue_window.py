"""The window by itself: k × free units, weights, grace, gaps, and the pace of the pipeline."""

import random

import pytest

from workers.queue import marks
from workers.queue.line import Called, Looked
from workers.queue.pace import LAG_MAX, RATE_FIRST, RATE_MIN, Pace, Reading
from workers.queue.sharing import Sharing, Turns
from workers.queue.window import Standing, Window, advanced, missing

PLENTY = 10**9


def step(
    window: Window,
    standings: list[Standing],
    *,
    allowed: int = PLENTY,
    budget: int = PLENTY,
    weights: list[int] | None = None,
    rate: float = 0.0,
    grace: float = 30.0,
    now: float = 0.0,
) -> list[Called]:
    return window.next(
        standings,
        weights=weights or [1] * len(standings),
        allowed=allowed,
        budget=budget,
        rate_per_s=rate,
        grace_s=grace,
        now=now,
    )


def test_all_who_wait_are_called_when_there_are_units_for_them() -> None:
    assert step(Window(1), [Standing(0, 0, 100, 0)])[0].served_until == 100


def test_no_more_is_outstanding_than_allowed() -> None:
    assert step(Window(1), [Standing(0, 0, 100, 0)], allowed=40)[0].served_until == 40
    assert step(Window(1), [Standing(40, 0, 100, 0)], allowed=40)[0].served_until == 40
    assert step(Window(1), [Standing(40, 0, 100, 15)], allowed=40)[0].served_until == 55
    assert step(Window(1), [Standing(40, 0, 100, 0)], allowed=10)[0].served_until == 40


def test_all_buckets_together_have_one_allowance() -> None:
    called = step(Window(2), [Standing(0, 0, 100, 0), Standing(30, 0, 100, 0)], allowed=40)
    assert sum(one.served_until for one in called) == 40


def test_no_more_is_called_than_the_pipeline_takes() -> None:
    assert step(Window(1), [Standing(0, 0, 100, 0)], budget=7)[0].served_until == 7


def test_without_anybody_waiting_there_is_a_little_headroom() -> None:
    called = step(Window(2), [Standing(0, 0, 0, 0)] * 2, allowed=400, rate=1000, weights=[3, 1])
    assert [one.served_until for one in called] == [75, 25]
    called = step(Window(2), [Standing(0, 0, 0, 0)] * 2, allowed=400, rate=40, weights=[3, 1])
    assert [one.served_until for one in called] == [30, 10]
    again = step(Window(1), [Standing(100, 0, 0, 0)], allowed=400, rate=1000)
    assert again[0].served_until == 100


def test_while_somebody_waits_nobody_gets_headroom() -> None:
    standings = [Standing(0, 0, 0, 0), Standing(0, 0, 1000, 0)]
    called = step(Window(2), standings, budget=100, rate=1000)
    assert [one.served_until for one in called] == [0, 100]


def test_who_does_not_come_in_time_is_written_off() -> None:
    window = Window(1)
    assert step(window, [Standing(50, 0, 50, 0)], now=100)[0].written_off == 0
    assert step(window, [Standing(80, 0, 80, 0)], now=110)[0].written_off == 0
    assert step(window, [Standing(80, 0, 80, 0)], now=129.9)[0].written_off == 0
    assert step(window, [Standing(80, 0, 80, 0)], now=130)[0].written_off == 50
    assert step(window, [Standing(80, 50, 80, 0)], now=139.9)[0].written_off == 50
    assert step(window, [Standing(80, 50, 80, 0)], now=140)[0].written_off == 80


def test_a_place_that_nobody_had_a_ticket_for_is_not_written_off() -> None:
    window = Window(1)
    step(window, [Standing(80, 0, 10, 0)], now=0)
    assert step(window, [Standing(80, 0, 60, 0)], now=30)[0].written_off == 10
    assert step(window, [Standing(80, 10, 60, 0)], now=59.9)[0].written_off == 10
    assert step(window, [Standing(80, 10, 60, 0)], now=60)[0].written_off == 60


def test_a_restart_never_shortens_a_grace() -> None:
    step(Window(1), [Standing(50, 0, 50, 0)], now=0)
    fresh = Window(1)
    assert step(fresh, [Standing(50, 0, 50, 0)], now=29)[0].written_off == 0
    assert step(fresh, [Standing(50, 0, 50, 0)], now=58)[0].written_off == 0
    assert step(fresh, [Standing(50, 0, 50, 0)], now=59)[0].written_off == 50


def test_a_gap_is_jumped_over_and_counts_for_nothing() -> None:
    gaps = [(10, 1010)]
    assert advanced(gaps, 5, 4) == 9
    assert advanced(gaps, 5, 5) == 1010
    assert advanced(gaps, 5, 8) == 1013
    assert advanced([(10, 20), (20, 40)], 9, 2) == 41
    assert missing(gaps, 0, 500) == 490
    standing = Standing(1013, 5, 1020, 2, gaps)
    assert standing.outstanding == 1013 - 5 - 1000 - 2
    assert standing.demand == 7
    assert Standing(5, 0, 1020, 0, gaps).demand == 15


def test_shares_follow_the_weights_within_five_percent(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rng, weights, given = random.Random(3), [5, 3, 2], [0, 0, 0]
    window, standings = Window(3), [Standing(0, 0, PLENTY, 0)] * 3
    for tick in range(300):
        called = step(
            window, standings, budget=rng.randrange(0, 60), weights=weights, now=tick * 0.2
        )
        given = [one.served_until for one in called]
        standings = [Standing(one, one, PLENTY, 0) for one in given]
    shares = [one / sum(given) for one in given]
    with capsys.disabled():
        print(f"\nweights 5:3:2 gave {', '.join(f'{share:.4f}' for share in shares)}")
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - weight / 10) <= 0.05 * weight / 10


def test_one_place_a_tick_is_shared_by_weight_too() -> None:
    sharing, given = Sharing(2), [0, 0]
    for _ in range(40):
        for bucket, qty in enumerate(sharing.share(1, [100, 100], [3, 1])):
            given[bucket] += qty
    assert given == [30, 10]


def test_nothing_is_left_unused_while_somebody_waits() -> None:
    rng = random.Random(4)
    for _ in range(2000):
        buckets = rng.randrange(1, 6)
        demand = [rng.randrange(0, 50) for _ in range(buckets)]
        weights = [rng.randrange(1, 9) for _ in range(buckets)]
        places = rng.randrange(0, 120)
        given = Sharing(buckets).share(places, demand, weights)
        assert sum(given) == min(places, sum(demand))
        assert all(0 <= got <= wanted for got, wanted in zip(given, demand, strict=True))


def test_who_waits_for_nothing_saves_nothing_up() -> None:
    sharing = Sharing(2)
    for _ in range(100):
        sharing.share(10, [0, 1000], [9, 1])
    assert sharing.share(10, [10, 1000], [1, 1]) == [5, 5]


def test_items_share_what_the_pipeline_takes_whatever_each_of_them_wants() -> None:
    assert Turns().share(100, {1: 5000, 2: 5000}) == {1: 50, 2: 50}
    assert Turns().share(100, {1: 5000, 2: 10, 3: 0}) == {1: 90, 2: 10, 3: 0}
    assert Turns().share(100, {1: 30, 2: 10}) == {1: 30, 2: 10}
    assert Turns().share(0, {1: 30}) == {1: 0}


@pytest.mark.parametrize("places", [1, 2, 3, 7])
def test_a_place_too_few_for_all_items_goes_round(places: int) -> None:
    turns, given = Turns(), dict.fromkeys(range(1, 6), 0)
    for _ in range(50):
        for item, qty in turns.share(places, dict.fromkeys(given, 1000)).items():
            given[item] += qty
    assert set(given.values()) == {50 * places // 5}


def test_the_pace_grows_while_all_is_well_and_halves_when_not() -> None:
    pace = Pace()
    pace.budget(0.0, Reading(0.0, 0, None))
    pace.budget(1.0, Reading(1.0, 0, 0.1))
    grown = pace.rate_per_s
    assert grown > RATE_FIRST
    for reading in (
        Reading(2.0, LAG_MAX + 1, 0.1),
        Reading(3.0, 0, 10.0),
        None,
        Reading(-100.0, 0, None),
    ):
        before, now = pace.rate_per_s, pace._halved_at + 1 if pace._halved_at > 0 else 2.0
        pace.budget(max(now, 2.0), reading)
        assert pace.rate_per_s == before / 2
    pace.budget(100.0, None)
    for second in range(101, 130):
        pace.budget(float(second), None)
    assert pace.rate_per_s == RATE_MIN


def test_one_bad_look_halves_once() -> None:
    pace = Pace()
    for tick in range(5):
        pace.budget(10 + tick * 0.2, None)
    assert pace.rate_per_s == RATE_FIRST / 2


def test_what_was_not_used_is_not_saved_up_for_long() -> None:
    pace, well = Pace(), Reading(1000.0, 0, None)
    pace.budget(0.0, well)
    budget = pace.budget(1000.0, well)
    assert budget <= pace.rate_per_s
    pace.use(budget)
    assert pace.budget(1000.0, well) <= 1


def looked(numbers: list[int], lobby: list[int]) -> Looked:
    return Looked([Called(0, 0)], numbers, lobby, [0], True, 0, [[]])


def test_ceilings_are_raised_long_before_they_are_reached() -> None:
    known = marks.fresh(1)
    after = marks.of_look(known, looked([marks.AHEAD // 2], [0]), [Called(0, 0)])
    assert after.ceilings == known.ceilings
    after = marks.of_look(known, looked([marks.AHEAD // 2 + 1], [0]), [Called(0, 0)])
    assert after.ceilings == [marks.AHEAD + marks.AHEAD // 2 + 1]


def test_a_lobby_is_ahead_by_as_much_as_it_grows() -> None:
    known = marks.fresh(1)
    after = marks.of_look(known, looked([0], [900]), [Called(0, 0)])
    assert after.lobby_ceilings == [900 + 900 * marks.LOBBY_AHEAD_TICKS]
    slow = marks.of_look(known, looked([0], [10]), [Called(0, 0)])
    assert slow.lobby_ceilings == [marks.LOBBY_AHEAD]


def test_the_next_generation_begins_where_no_number_can_have_been() -> None:
    known = marks.of_look(marks.fresh(1), looked([70], [30]), [Called(50, 20)])
    following = marks.of_next_generation(known)
    assert following.numbers == known.ceilings
    assert following.gaps == [[(70, marks.AHEAD)]]
    assert following.lobby == known.lobby_ceilings
    assert following.window == [Called(50, 20)]
    assert marks.of_json(following.as_json()) == following
    assert marks.of_next_generation(known, lobby_ends=True).lobby == [30]
