"""Whether robots that come first win more than their share: in a draw no, in a fifo all of it.

Through the real scripts, the real permutation and the real window. Everything is seeded, so each
run has the same figures.
"""

import hashlib
import random
from itertools import count

import pytest

from control_plane.queues.places import Places
from tests.redis.queue_keys import Queue
from tests.redis.server import StockServer
from workers.queue.window import Standing, Window

DRAWS, HUMANS, ROBOTS, UNITS = 24, 450, 150, 120
# Above it a fair draw of DRAWS degrees of freedom comes once in 1,000 (chi-square, 24).
CHI_SQUARE_MAX = 51.18
_items = count(800_000)


def crowd(rng: random.Random) -> list[str]:
    """In the order of coming: robots are faster, and each joins five times."""
    humans = [f"human-{n}" for n in range(HUMANS)]
    rng.shuffle(humans)
    return [f"robot-{n}" for n in range(ROBOTS)] * 5 + humans


def position_line(shopper: str) -> str:
    digest = hashlib.sha256(shopper.encode()).digest()
    words = (int.from_bytes(digest[i : i + 4], "big") % 2**26 for i in range(0, 16, 4))
    return "0 " + " ".join(str(word) for word in words)


def drawn_winners(server: StockServer, seed: bytes, rng: random.Random) -> list[str]:
    """Who gets the units of one draw."""
    item = next(_items)
    queue = Queue(server, item)
    queue.open(lobby=True)
    comers = crowd(rng)
    lines = [position_line(shopper) for shopper in comers]
    answers = [one for at in range(0, len(lines), 100) for one in queue.join(*lines[at : at + 100])]
    (size,) = queue.close_lobby()
    places = Places(seed, item, 0, size)
    order = {
        places.place_of(int(answer[1:])) if answer[0] == "L" else size + int(answer[1:]): shopper
        for shopper, answer in zip(comers, answers, strict=True)
    }
    return served(queue, order)


def fifo_winners(server: StockServer, rng: random.Random) -> list[str]:
    """Who gets them without a draw."""
    queue = Queue(server, next(_items))
    queue.open()
    comers = crowd(rng)
    first = int(queue.take(len(comers))[4])
    return served(queue, {first + n: shopper for n, shopper in enumerate(comers)})


def served(queue: Queue, order: dict[int, str]) -> list[str]:
    """Call places by the real window until the units are gone; who is called comes and buys."""
    window, winners, now = Window(1), list[str](), 0.0
    while len(winners) < UNITS:
        looked = queue.look()
        called = window.next(
            [Standing(*looked.window[0][:2], issued=max(order) + 1, came=looked.came[0])],
            weights=[1],
            allowed=4 * (UNITS - len(winners)),
            budget=50,
            rate_per_s=1000,
            grace_s=30,
            now=now,
        )
        queue.move(*called)
        now += 0.2
        for place in range(looked.window[0].served_until, called[0].served_until):
            queue.take(came=f"0:{place}")
            if order[place] not in winners and len(winners) < UNITS:
                winners.append(order[place])
    return winners


def chi_square(robots_won: list[int]) -> float:
    """Against drawing without replacement: Σ (won − expected)² / variance."""
    total = HUMANS + ROBOTS
    expected = UNITS * ROBOTS / total
    variance = expected * (HUMANS / total) * (total - UNITS) / (total - 1)
    return sum((won - expected) ** 2 / variance for won in robots_won)


def robots_in(winners: list[str]) -> int:
    return sum(winner.startswith("robot") for winner in winners)


def test_in_a_draw_robots_that_join_first_and_often_win_their_share(
    server: StockServer, capsys: pytest.CaptureFixture[str]
) -> None:
    won = []
    for number in range(DRAWS):
        seed = hashlib.sha256(f"draw {number}".encode()).digest()
        won.append(robots_in(drawn_winners(server, seed, random.Random(number))))
    found, share = chi_square(won), sum(won) / (DRAWS * UNITS)
    with capsys.disabled():
        print(
            f"\n{DRAWS} draws: robots are {ROBOTS / (HUMANS + ROBOTS):.3f} of the crowd and won"
            f" {share:.3f} of the units; chi-square {found:.1f} of at most {CHI_SQUARE_MAX}"
        )
    assert found < CHI_SQUARE_MAX
    assert abs(share - ROBOTS / (HUMANS + ROBOTS)) < 0.02


def test_the_same_crowd_in_a_fifo_fails_the_same_test(
    server: StockServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The control."""
    won = [robots_in(fifo_winners(server, random.Random(number))) for number in range(3)]
    found = chi_square(won)
    with capsys.disabled():
        print(f"\nfifo: robots won {won} of {UNITS} units; chi-square {found:.0f}")
    assert found > CHI_SQUARE_MAX
    assert won == [UNITS] * 3
