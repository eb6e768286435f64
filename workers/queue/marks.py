"""High-water marks of a queue: what PostgreSQL must know so that a lost counter does no harm.

Numbers are handed out below a ceiling that is stored before Redis hears of it. A generation begins
at the ceilings of the one before: whatever was handed out meanwhile, no number comes twice. The
numbers between the last one that was seen and the ceiling are a gap, which the window jumps over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from workers.queue.line import Called, Looked
from workers.queue.window import Gap

# How many numbers the gateways may hand out while no controller is there.
AHEAD = 1_000_000
# In a lobby the numbers of a gap become places that nobody has, which are called in vain: as few as
# a lobby needs that grows as it does now, for so many ticks.
LOBBY_AHEAD, LOBBY_AHEAD_TICKS = 1000, 25


@dataclass(frozen=True)
class Marks:
    """Each a value a bucket. `numbers` and `lobby`: the next ones, as last seen."""

    numbers: list[int]
    ceilings: list[int]
    lobby: list[int]
    lobby_ceilings: list[int]
    window: list[Called]
    # Of numbers, not of places: a draw's size is not known before its close.
    gaps: list[list[Gap]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For the row."""
        return {
            "numbers": self.numbers,
            "ceilings": self.ceilings,
            "lobby": self.lobby,
            "lobby_ceilings": self.lobby_ceilings,
            "window": [[called.served_until, called.written_off] for called in self.window],
            "gaps": self.gaps,
        }


def fresh(buckets: int) -> Marks:
    """Of a queue that nobody has joined."""
    none, gaps = [0] * buckets, [list[Gap]() for _ in range(buckets)]
    ceilings, lobby_ceilings = _beyond(none, AHEAD), _beyond(none, LOBBY_AHEAD)
    return Marks(none, ceilings, none, lobby_ceilings, [Called(0, 0)] * buckets, gaps)


def of_json(stored: dict[str, Any]) -> Marks:
    """As `as_json` wrote it."""
    return Marks(
        numbers=stored["numbers"],
        ceilings=stored["ceilings"],
        lobby=stored["lobby"],
        lobby_ceilings=stored["lobby_ceilings"],
        window=[Called(*pair) for pair in stored["window"]],
        gaps=[[(first, last) for first, last in gaps] for gaps in stored["gaps"]],
    )


def of_next_generation(marks: Marks, lobby_ends: bool = False) -> Marks:
    """After a loss: on from the ceilings, what may be lost between is nobody's.

    A lobby that ends now ends at what was last seen: whoever joined in the tick before the loss has
    a number beyond it and comes behind the draw.
    """
    gaps = [
        [*known, (seen, ceiling)]
        for known, seen, ceiling in zip(marks.gaps, marks.numbers, marks.ceilings, strict=True)
    ]
    return Marks(
        numbers=marks.ceilings,
        ceilings=_beyond(marks.ceilings, AHEAD),
        lobby=marks.lobby if lobby_ends else marks.lobby_ceilings,
        lobby_ceilings=_beyond(marks.lobby_ceilings, LOBBY_AHEAD),
        window=marks.window,
        gaps=gaps,
    )


def of_look(marks: Marks, looked: Looked, window: list[Called]) -> Marks:
    """As it is now, with ceilings that are raised long before they are reached."""
    return Marks(
        numbers=looked.numbers,
        ceilings=_raised(marks.ceilings, looked.numbers, AHEAD),
        lobby=looked.lobby,
        lobby_ceilings=_raised_lobby(marks, looked),
        window=[Called(called.served_until, called.written_off) for called in window],
        # Begun where the counter was found, which knew of more than was seen.
        gaps=looked.gaps,
    )


def _beyond(numbers: Sequence[int], ahead: int) -> list[int]:
    return [number + ahead for number in numbers]


def _raised(ceilings: Sequence[int], numbers: Sequence[int], ahead: int) -> list[int]:
    return [
        ceiling if number + ahead // 2 <= ceiling else number + ahead
        for ceiling, number in zip(ceilings, numbers, strict=True)
    ]


def _raised_lobby(marks: Marks, looked: Looked) -> list[int]:
    raised = []
    for ceiling, before, now in zip(marks.lobby_ceilings, marks.lobby, looked.lobby, strict=True):
        ahead = max(LOBBY_AHEAD, LOBBY_AHEAD_TICKS * (now - before))
        raised.append(ceiling if now + ahead // 2 <= ceiling else now + ahead)
    return raised
