"""The queue's scripts: numbers once each, what came exactly, windows never back, a fence each."""

import math
import random
from collections.abc import Callable

import pytest
import redis

from tests.redis.mutants import replaced
from tests.redis.queue_keys import Queue
from tests.redis.server import StockServer
from workers.queue.line import Called
from workers.stock import scripts
from workers.stock.cluster import ShardFenced

OTHER_LIFE = "f" * 40
NewQueue = Callable[..., Queue]


@pytest.fixture
def queue(server: StockServer, unused_item: int) -> NewQueue:
    """An open queue of a new item."""

    def build(buckets: int = 1, **values: object) -> Queue:
        made = Queue(server, unused_item, buckets)
        made.open(**values)  # type: ignore[arg-type]
        return made

    return build


def refused(word: str) -> "pytest.RaisesExc[redis.ResponseError]":
    return pytest.raises(redis.ResponseError, match=f"^{word}")


def test_a_call_hands_out_a_block_a_bucket(queue: NewQueue) -> None:
    line = queue(2)
    assert line.take(3, 1)[4] == "0,0"
    assert line.take(0, 5)[4] == "3,1"
    assert line.take(1, 0)[4] == "3,6"
    assert line.look().numbers == [4, 6]


def test_the_answer_has_the_window_and_the_generation(queue: NewQueue) -> None:
    line = queue(2, window=[Called(7, 2, 5), Called(1, 0)], oldest=1)
    assert line.take()[:4] == [1, 1, "7:2:5,1:0:0", 0]


def test_numbers_end_at_the_ceiling(queue: NewQueue) -> None:
    line = queue(ceilings=[5])
    assert line.take(4)[4] == "0"
    assert line.take(2)[4] == "-1"
    assert line.take(1)[4] == "4"
    assert line.take(1)[4] == "-1"
    line.move(Called(0, 0), ceilings=6)
    assert line.take(1)[4] == "5"


def test_what_came_is_counted_once_and_only_below_served(queue: NewQueue) -> None:
    line = queue(window=[Called(10, 0)])
    line.take(came="0:3 0:3 0:9 0:10 0:4000000000")
    assert line.look().came == [2]
    assert line.server.operator.strlen(line.keys.came[0]) == 2
    line.move(Called(10, 4))
    assert line.look().came == [1]


def test_a_place_that_was_written_off_came_or_gets_a_number(queue: NewQueue) -> None:
    line = queue(2, window=[Called(5, 5), Called(5, 5)])
    line.take(came="1:2")
    assert line.take(2, 0, asked="1:2 1:3 0:2")[4:6] == ["0,0", "came,0,2"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("1",),
        ("1,1", "", ""),
        ("", "", ""),
        ("1", "", "1:0"),
        ("1", "", "", ""),
        ("1", "", " ".join(f"0:{n}" for n in range(1025))),
    ],
)
def test_a_call_of_another_shape_is_refused(queue: NewQueue, arguments: tuple[str, ...]) -> None:
    line = queue()
    with refused("BADCALL"):
        line.run(*arguments)
    assert line.look().numbers == [0]


def test_a_mark_is_told_for_a_second(queue: NewQueue) -> None:
    line = queue()
    now = line.server.now_ms()
    for at, told in ((now, 1), (now + 1, 1), (0, 0), (now - 2000, 0), (now + 60_000, 0)):
        line.move(Called(0, 0), sold_out_ms=0)
        line.move(Called(0, 0), sold_out_ms=at)
        assert line.take()[3] == told, at - now


def test_a_window_never_goes_back(queue: NewQueue) -> None:
    line = queue(2, ceilings=[50, 50])
    assert line.move(Called(5, 1, 9), Called(2, 2, 9)) == [Called(5, 1, 9), Called(2, 2, 9)]
    assert line.move(Called(4, 3), Called(3, 0)) == [Called(5, 3), Called(3, 2)]
    line.move(Called(0, 0), Called(0, 0), ceilings=10)
    assert line.take(40, 0)[4] == "0,0"


def test_an_older_mark_does_not_replace_a_newer_one(queue: NewQueue) -> None:
    line = queue()
    now = line.server.now_ms()
    line.move(Called(0, 0), sold_out_ms=now)
    line.move(Called(0, 0), sold_out_ms=now - 5000)
    assert line.take()[3] == 1


def test_opening_again_changes_nothing(queue: NewQueue) -> None:
    line = queue()
    line.take(3)
    line.open(generation=1)
    assert line.look().numbers == [3]


@pytest.mark.parametrize(
    ("found", "first"),
    [(50, 50), (3, 40), (None, 40), (100, 40)],
    ids=["kept", "rolled back", "lost", "at the end: of the next generation"],
)
def test_a_counter_inside_of_a_gap_moves_its_beginning(
    queue: NewQueue, found: int | None, first: int
) -> None:
    line = queue(2)
    line.server.operator.delete(line.keys.numbers)
    if found is not None:
        line.server.operator.hset(line.keys.numbers, "1", found)
    line.open(numbers=[0, 200], gaps=[[], [(40, 100), (110, 200)]])
    assert line.take()[6] == f"1:{first}:100 1:110:200"


@pytest.mark.parametrize("gaps", ["0:1", "1:0:1", "0:1:2,0:3:4", "x"])
def test_gaps_of_another_shape_open_nothing(queue: NewQueue, gaps: str) -> None:
    line = queue()
    keys = line.keys
    names = [keys.ctl, keys.numbers, keys.lobby, keys.seen, *keys.came]
    words = [2, line.server.life, 1, "0:0:0", "0", "9", "0", "9", "open", gaps]
    with refused("BADCALL"):
        line.server.worker.eval(scripts.OPEN_QUEUE.text, len(names), *names, *words)
    assert line.look().numbers == [0]


def test_an_older_generation_is_refused(queue: NewQueue) -> None:
    line = queue()
    line.open()
    with pytest.raises(ShardFenced):
        line.open(generation=1)
    line.generation = 2
    assert line.look().numbers == [0]


def test_a_generation_keeps_what_came_unless_its_tickets_end(queue: NewQueue) -> None:
    line = queue(window=[Called(5, 0)])
    line.take(came="0:1")
    line.open(window=[Called(5, 0)])
    assert line.look().came == [1]
    line.open(window=[Called(5, 0)], oldest=3)
    assert line.look().came == [0]


CALLS: dict[str, Callable[[Queue], object]] = {
    "take_numbers": lambda line: line.take(1),
    "look_queue": lambda line: line.look(),
    "move_window": lambda line: line.move(Called(5, 0)),
    "join_lobby": lambda line: line.join("0 1 2 3 4"),
    "close_lobby": lambda line: line.close_lobby(),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("spoilt", ["another life", "no life", "another generation", "no keys"])
def test_a_queue_that_is_not_open_here_is_fenced(queue: NewQueue, call: str, spoilt: str) -> None:
    line = queue(lobby=True)
    operator, ctl = line.server.operator, line.keys.ctl
    if spoilt == "another life":
        operator.hset(ctl, "life", OTHER_LIFE)
    elif spoilt == "no life":
        operator.hdel(ctl, "life")
    elif spoilt == "no keys":
        operator.delete(ctl)
    elif call in ("take_numbers", "join_lobby"):
        operator.hset(ctl, "generation", "x")
    else:
        operator.hset(ctl, "generation", 9)
    before = operator.hgetall(ctl), line.server.operator.hgetall(line.keys.numbers)
    with pytest.raises((redis.ResponseError, ShardFenced), match=r"^FENCED"):
        CALLS[call](line)
    assert before == (operator.hgetall(ctl), operator.hgetall(line.keys.numbers))


@pytest.mark.parametrize("call", ["take_numbers", "look_queue", "close_lobby"])
def test_a_lost_counter_is_fenced_and_never_a_zero(queue: NewQueue, call: str) -> None:
    line = queue(lobby=True)
    line.server.operator.delete(line.keys.numbers, line.keys.lobby)
    with pytest.raises((redis.ResponseError, ShardFenced), match="FENCED a counter is missing"):
        CALLS[call](line)


def test_without_the_fence_another_life_hands_out_numbers(queue: NewQueue) -> None:
    """The control of the fence."""
    line = queue()
    line.server.operator.hset(line.keys.ctl, "life", OTHER_LIFE)
    fence = 'not string.find(redis.call("INFO", "replication"), life, 1, true)'
    line.take_numbers = replaced(scripts.TAKE_NUMBERS, fence, "false")
    line.server.worker.script_load(line.take_numbers.text)
    assert line.take(1)[4] == "0"


def test_without_the_ceiling_numbers_go_on(queue: NewQueue) -> None:
    """The control of the ceiling."""
    line = queue(ceilings=[2])
    line.take_numbers = replaced(scripts.TAKE_NUMBERS, "first + count > ceiling[b]", "false")
    line.server.worker.script_load(line.take_numbers.text)
    assert line.take(5)[4] == "0"


def test_without_its_bound_a_bitmap_grows_as_a_caller_likes(queue: NewQueue) -> None:
    """The control of the bound."""
    line = queue(window=[Called(10, 0)])
    bound = "served and tonumber(place) < served"
    line.take_numbers = replaced(scripts.TAKE_NUMBERS, bound, "served")
    line.server.worker.script_load(line.take_numbers.text)
    line.take(came="0:8000000")
    assert line.server.operator.strlen(line.keys.came[0]) == 1_000_001


def test_without_the_filter_joining_often_pays(queue: NewQueue) -> None:
    """The control of the filter."""
    line = queue(lobby=True)
    line.join_lobby = replaced(scripts.JOIN_LOBBY, "if not was_seen then", "if true then")
    line.server.worker.script_load(line.join_lobby.text)
    assert line.join(*["0 1 2 3 4"] * 3) == ["L0", "L1", "L2"]


def positions(shopper: str) -> str:
    """As the gateway's keyed hash: any that spreads."""
    rng = random.Random(shopper)
    return " ".join(str(rng.randrange(2**26)) for _ in range(4))


def test_a_shopper_joins_once_whatever_he_does(queue: NewQueue) -> None:
    line = queue(2, lobby=True)
    ann, bob = f"0 {positions('ann')}", f"0 {positions('bob')}"
    assert line.join(ann, ann, bob) == ["L0", "F0", "L1"]
    assert line.join(ann, f"1 {positions('cem')}") == ["F1", "L0"]
    assert line.look().lobby == [2, 1]


def test_who_finds_no_lobby_number_may_try_again(queue: NewQueue) -> None:
    line = queue(lobby=True, lobby_ceilings=[1])
    ann, bob = f"0 {positions('ann')}", f"0 {positions('bob')}"
    assert line.join(ann, bob) == ["L0", "N"]
    line.move(Called(0, 0), ceilings=5)
    assert line.join(bob) == ["L1"]


def test_after_the_close_nobody_joins_and_the_sizes_stand(queue: NewQueue) -> None:
    line = queue(2, lobby=True)
    line.join(f"1 {positions('ann')}")
    assert line.close_lobby() == [0, 1]
    assert line.join(f"0 {positions('bob')}") == ["closed"]
    assert line.close_lobby() == [0, 1]
    assert not line.server.operator.exists(line.keys.seen)


@pytest.mark.parametrize("bad", ["", "0 1 2 3", "0 1 2 3 4 5", "1 1 2 3 4", f"0 1 2 3 {2**26}"])
def test_a_line_of_another_shape_refuses_the_batch(queue: NewQueue, bad: str) -> None:
    line = queue(lobby=True)
    with refused("BADCALL line 2"):
        line.join("0 1 2 3 4", bad)
    assert line.look().lobby == [0]


def test_the_filter_errs_as_rarely_as_it_must(
    queue: NewQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    """With 100,000 inside (as the formula says for 1 and 5 million, which is printed)."""
    line, rng, inside = queue(lobby=True), random.Random(5), 100_000
    asked = [" ".join(str(rng.randrange(2**26)) for _ in range(4)) for _ in range(inside)]
    answers: list[str] = []
    for start in range(0, inside, 1000):
        answers += line.join(*(f"0 {one}" for one in asked[start : start + 1000]))
    wrong = sum(answer.startswith("F") for answer in answers)

    def rate(joined: int) -> float:
        return (1 - math.exp(-4 * joined / 2**26)) ** 4

    size = line.server.operator.memory_usage(line.keys.seen)
    with capsys.disabled():
        print(
            f"\nBloom filter: {wrong} of {inside} wrongly known, at the end 1 in"
            f" {1 / rate(inside):,.0f}; with 1 M 1 in {1 / rate(10**6):,.0f}, with 5 M"
            f" 1 in {1 / rate(5 * 10**6):,.0f}; {size} bytes"
        )
    assert wrong <= 3
    assert line.server.operator.strlen(line.keys.seen) <= 2**23


def test_visitors_cost_no_memory(queue: NewQueue, capsys: pytest.CaptureFixture[str]) -> None:
    line = queue(3)
    line.take(1, 1, 1)
    before = line.memory()
    for _ in range(100):
        line.take(1000, 1000, 1000)
    after = line.memory()
    with capsys.disabled():
        print(f"\nmemory of a queue: {before} bytes with 3 visitors, {after} with 300,003")
    # Numbers have more digits; that is all.
    assert after - before <= 64
