"""What waits, said once and not five times a second."""

import logging

from workers.runtime.clock import Clock

# Whatever is not heard of for so long has gone on in the meantime.
FORGOTTEN_AFTER_S = 5.0

_log = logging.getLogger(__name__)


class Waits:
    """A line when something begins to wait, or waits for a trouble of another kind."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, tuple[type[Exception], float]] = {}

    def note(self, what: str, error: Exception) -> None:
        """`what` waits because of this."""
        now = self._clock.monotonic()
        self._known = {
            name: (kind, at)
            for name, (kind, at) in self._known.items()
            if now - at < FORGOTTEN_AFTER_S
        }
        if self._known.get(what, (None, 0))[0] is not type(error):
            _log.warning("%s waits: %s", what, error)
        self._known[what] = (type(error), now)
