"""The named verdicts on a message or a batch. Any other exception ends the process."""

from collections import deque


class InvalidMessage(ValueError):
    """This message alone is not understood: it goes to the dead letters, its neighbours go on."""


class Unavailable(Exception):
    """Something this batch needs is down: the same batch is tried again, nothing else is read."""


class TooManyDeadLetters(Exception):
    """Most messages are invalid: more likely we are wrong than they; stop, drain nothing."""


class DeadLetterCap:
    """Refuses to go on when more than `share` of the last `window` or more messages are invalid.

    Counts whole batches, the newest ones that together reach `window`. Fewer messages than that
    never stop anything: three bad ones of three may be just that.
    """

    def __init__(self, share: float = 0.5, window: int = 100) -> None:
        if not 0 < share < 1 or window < 1:
            raise ValueError("share must lie between 0 and 1, window must be positive")
        self._share = share
        self._window = window
        self._batches: deque[tuple[int, int]] = deque()
        self._messages = 0
        self._invalid = 0

    def check(self, messages: int, invalid: int) -> None:
        """Count one batch, before any of its dead letters is sent; raises TooManyDeadLetters."""
        self._batches.append((messages, invalid))
        self._messages += messages
        self._invalid += invalid
        while self._messages - self._batches[0][0] >= self._window:
            old_messages, old_invalid = self._batches.popleft()
            self._messages -= old_messages
            self._invalid -= old_invalid
        if self._messages >= self._window and self._invalid > self._share * self._messages:
            raise TooManyDeadLetters(
                f"{self._invalid} of the last {self._messages} messages are invalid"
            )
