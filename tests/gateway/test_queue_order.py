"""Who is served when: places in the order of coming, windows, and what who waits is told."""

from collections.abc import Callable

import pytest

from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Shop
from tests.gateway.test_reserved import assert_reserved
from tests.gateway.waiting_line import AGAIN, MANY, Called, put_in_line
from tests.redis.waiting import until


@pytest.fixture
def script_calls(shop: Shop) -> Callable[[], int]:
    """How many script calls Redis has answered."""

    def count() -> int:
        stats = shop.stock.operator.info("commandstats")
        return int(stats.get("cmdstat_evalsha", {}).get("calls", 0))

    return count


def test_without_a_queue_all_go_straight_on(shop: Shop) -> None:
    item = shop.put_up()
    assert_reserved(item.buy("ann"), item)


@pytest.mark.parametrize("mode", ["off", "fifo"])
def test_a_queue_that_is_switched_off_holds_nobody(shop: Shop, mode: str) -> None:
    line = put_in_line(shop)
    line.publish(mode=mode)
    answer = line.buy("ann")
    assert answer.outcome == ("reserved" if mode == "off" else "queued")


def test_within_the_window_one_buys_at_once(shop: Shop) -> None:
    line = put_in_line(shop, served=2)
    assert_reserved(line.buy("ann"), line.item)
    assert_reserved(line.buy("bob"), line.item)
    line.queued("cem")


def test_who_has_to_wait_takes_no_unit(shop: Shop) -> None:
    line = put_in_line(shop)
    with line.item.untouched():
        line.queued("ann")


def test_places_are_given_in_the_order_of_coming(shop: Shop) -> None:
    line = put_in_line(shop, served=1)
    line.buy("first")
    told = [line.queued(f"s{n}") for n in range(5)]
    assert [one["place"] for one in told] == list(range(5))
    assert [line.read(one["ticket"]).number for one in told] == list(range(1, 6))


def test_the_next_one_is_served_when_the_window_moves(shop: Shop) -> None:
    line = put_in_line(shop)
    ann, bob = line.queued("ann")["ticket"], line.queued("bob")["ticket"]
    line.move(Called(1, 0))
    until(lambda: line.buy("ann", ann).status == 200, "ann is served")
    told = line.queued("bob", bob)
    assert told["place"] == 0
    assert told["ticket"] == bob
    line.move(Called(2, 0))
    until(lambda: line.buy("bob", bob).status == 200, "bob is served")


def test_asking_again_takes_no_other_number(shop: Shop) -> None:
    line = put_in_line(shop)
    ticket = line.queued("ann")["ticket"]
    for _ in range(5):
        line.queued("ann", ticket)
    assert line.look().numbers == [1]


def test_a_returned_unit_serves_the_next_ticket(shop: Shop) -> None:
    line = put_in_line(shop, units=1, served=1)
    assert_reserved(line.buy("ann"), line.item)
    bob, cem = line.queued("bob")["ticket"], line.queued("cem")["ticket"]
    line.item.shard.grant(1)
    line.move(Called(2, 0))
    with line.item.untouched():
        line.queued("cem", cem)
    until(lambda: line.buy("bob", bob).status == 200, "bob gets what came back")


def test_each_bucket_has_a_line_of_its_own(shop: Shop) -> None:
    line = put_in_line(shop, "vip", "regular")
    assert [line.queued(f"r{n}")["place"] for n in range(3)] == [0, 1, 2]
    told = line.queued("v0", level="vip")
    assert (told["place"], told["bucket"]) == (0, "vip")
    line.move(Called(1, 0), Called(0, 0))
    until(lambda: line.buy("v0", told["ticket"], level="vip").status == 200, "the vip is served")
    assert line.look().numbers == [1, 3]


def test_a_level_without_a_bucket_waits_in_the_last(shop: Shop) -> None:
    line = put_in_line(shop, "vip", "regular")
    assert line.queued("ann", level="first_time")["bucket"] == "regular"


def test_who_comes_is_noted(shop: Shop) -> None:
    line = put_in_line(shop, served=3)
    line.buy("ann")
    line.buy("bob")
    until(lambda: line.look().came == [2], "two of three places came")
    line.buy("ann", headers=AGAIN)
    assert line.look().came == [2]


def test_waiting_takes_longer_the_farther_back_and_stays_within_its_bounds(shop: Shop) -> None:
    line = put_in_line(shop)
    near = line.queued("near")
    assert 300 <= near["retry_after_ms"] <= 400
    line.open(oldest=2, numbers=[1_000_000 - 1])
    far = line.queued("far")
    assert far["place"] == 1_000_000 - 1
    # Half of the grace of 30 s, ± 25 %: who is called must hear it in time.
    assert 0.75 * 15_000 <= far["retry_after_ms"] <= 1.25 * 15_000
    assert far["eta_ms"] > near["eta_ms"]


def test_the_estimate_follows_the_speed_of_the_window(shop: Shop) -> None:
    line = put_in_line(shop)
    line.open(oldest=2, numbers=[1000], window=[Called(0, 0, per_ks=500_000)])
    assert line.queued("ann")["eta_ms"] == 2000


def test_many_who_wait_are_one_call(shop: Shop, script_calls: Callable[[], int]) -> None:
    line = put_in_line(shop)
    line.queued("warm")
    before = script_calls()
    shop.stock.freeze()
    asked = [line.item.send(f"s{n}") for n in range(40)]
    until(lambda: shop.gateway.has_read(40), "all wait in the gateway")
    shop.stock.thaw()
    answers = [one.answer() for one in asked]
    assert [one.outcome for one in answers] == ["queued"] * 40
    places = sorted(one.json["place"] for one in answers)
    assert places == list(range(1, 41))
    # The first goes alone, since nothing was waiting, the others together; and perhaps the worker
    # tells who has come in cases before this one.
    assert script_calls() - before <= 2 + 1


def test_a_crowd_that_polls_is_a_call_every_fifth_of_a_second(
    shop: Shop, script_calls: Callable[[], int]
) -> None:
    line = put_in_line(shop)
    ticket = line.queued("ann")["ticket"]
    started_ms, before, rounds = shop.stock.now_ms(), script_calls(), 200
    for _ in range(rounds):
        line.queued("ann", ticket)
    elapsed_ms = shop.stock.now_ms() - started_ms
    assert script_calls() - before <= elapsed_ms / 200 + 1


def test_numbers_run_out_before_they_are_given_twice(shop: Shop) -> None:
    """What the controller has not stored is not handed out."""
    line = put_in_line(shop)
    line.open(ceiling=2)
    line.queued("ann")
    line.queued("bob")
    assert_refused(line.buy("cem"), "busy")
    assert line.look().numbers == [2]


@pytest.mark.parametrize("is_lost", [False, True], ids=["counter kept", "counter lost"])
def test_numbers_that_nobody_holds_are_not_before_anybody(shop: Shop, is_lost: bool) -> None:
    """A queue that was opened anew goes on at the ceiling, a million further on."""
    line = put_in_line(shop)
    ann, bob = line.queued("ann")["ticket"], line.queued("bob")["ticket"]
    seen = 1  # before bob came: the counter knows of him, unless it is lost
    if is_lost:
        shop.stock.operator.delete(line.keys.ctl, line.keys.numbers)
        seen = 2
    line.open(numbers=[MANY], ceiling=2 * MANY, gaps=[[(seen, MANY)]])
    cem = line.queued("cem")
    assert cem["place"] == 2
    assert cem["eta_ms"] < 1000
    assert line.read(cem["ticket"]).number == MANY
    dan = line.queued("dan")
    assert dan["place"] == 3
    assert [line.queued(name, own)["place"] for name, own in (("ann", ann), ("bob", bob))] == [0, 1]
    line.move(Called(1, 0))
    until(lambda: line.buy("ann", ann).status == 200, "ann is served")
    assert line.queued("cem", cem["ticket"])["place"] == 1
    line.move(Called(MANY + 1, 0))  # as the controller does: over the gap
    until(lambda: line.buy("cem", cem["ticket"]).status == 200, "cem is served")
    assert line.queued("dan", dan["ticket"])["place"] == 0


def test_of_several_gaps_each_is_counted_once(shop: Shop) -> None:
    line = put_in_line(shop)
    gaps = []
    for generation in range(3):
        assert line.queued(f"s{generation}")["place"] == generation
        gaps.append((generation * MANY + 1, (generation + 1) * MANY))
        line.open(
            numbers=[(generation + 1) * MANY], ceiling=(generation + 2) * MANY, gaps=[list(gaps)]
        )
    assert line.queued("late")["place"] == 3
