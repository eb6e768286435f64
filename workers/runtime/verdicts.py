"""The named verdicts on a message or a batch. Any other exception ends the process."""

import json
from collections import deque
from typing import NamedTuple


class InvalidMessage(ValueError):
    """This message alone is not understood: it goes to the dead letters, its neighbours go on."""


class Unavailable(Exception):
    """Something this batch needs is down: the same batch is tried again, nothing else is read."""


class NotApplied(Exception):
    """The database refuses what is in this batch, not now but as it is: the batch is taken apart.

    Who is refused alone goes to the dead letters, the others go on.
    """


class TooManyDeadLetters(Exception):
    """Most messages are dead letters: more likely we are wrong than they; stop, drain nothing."""


class Tally(NamedTuple):
    """Of the newest messages, how many were dead letters. Travels as text beside the offsets."""

    messages: int
    invalid: int
    at_ms: int

    def text(self) -> str:
        """As it is committed with the offsets."""
        return json.dumps(self._asdict(), separators=(",", ":"))


def newest_tally(texts: list[str]) -> Tally | None:
    """The newest of those that are tallies; None when none is, as after a reset of the offsets."""
    found = []
    for text in texts:
        try:
            tally = Tally(**json.loads(text))
        except (ValueError, TypeError, RecursionError):
            continue
        whole = all(type(one) is int for one in tally)
        if whole and 0 <= tally.invalid <= tally.messages:
            found.append(tally)
    return max(found, key=lambda one: one.at_ms, default=None)


class DeadLetterCap:
    """Refuses to go on when more than `share` of the last `window` or more messages are invalid.

    Counts whole batches, the newest ones that together reach `window`. Fewer messages than that
    never stop anything: three bad ones of three may be just that. Nor does a batch that is mostly
    good, whatever came before it: who was wrong and is mended goes on.
    """

    def __init__(self, share: float = 0.5, window: int = 100) -> None:
        if not 0 < share < 1 or window < 1:
            raise ValueError("share must lie between 0 and 1, window must be positive")
        self._share = share
        self._window = window
        self._batches: deque[tuple[int, int]] = deque()
        self._messages = 0
        self._invalid = 0
        self._has_counted = False

    def resume(self, tally: Tally) -> None:
        """Go on where the one before us stopped; nothing once we have counted ourselves."""
        if self._has_counted:
            return
        self._batches = deque([(tally.messages, tally.invalid)])
        self._messages, self._invalid = tally.messages, tally.invalid

    def tally(self, at_ms: int) -> Tally:
        """What was counted until now, for the next one."""
        return Tally(self._messages, self._invalid, at_ms)

    def check(self, messages: int, invalid: int) -> None:
        """Count one batch, before any of its dead letters is sent; raises TooManyDeadLetters."""
        if not messages:
            return
        self._has_counted = True
        self._batches.append((messages, invalid))
        self._messages += messages
        self._invalid += invalid
        while self._messages - self._batches[0][0] >= self._window:
            old_messages, old_invalid = self._batches.popleft()
            self._messages -= old_messages
            self._invalid -= old_invalid
        self._judge()

    def check_more(self, invalid: int) -> None:
        """So many more of the newest batch, which the database refused; TooManyDeadLetters."""
        messages, before = self._batches[-1]
        self._batches[-1] = (messages, before + invalid)
        self._invalid += invalid
        self._judge()

    def _judge(self) -> None:
        messages, invalid = self._batches[-1]
        if self._messages < self._window or invalid <= self._share * messages:
            return
        if self._invalid > self._share * self._messages:
            raise TooManyDeadLetters(
                f"{self._invalid} of the last {self._messages} messages are invalid"
            )
