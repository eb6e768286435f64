"""A batch that is refused for its content is taken apart, until who is refused alone is known."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from workers.runtime.verdicts import NotApplied

T = TypeVar("T")

_log = logging.getLogger(__name__)


def apply_apart(
    left: list[Sequence[T]],
    apply: Callable[[Sequence[T]], None],
    refused: Callable[[T, NotApplied], None],
) -> None:
    """Apply what is left, and a part that raises NotApplied by halves, in their order, down to one.

    That one is told to `refused`. What else either raises passes through; `left` is then what is
    still to be done, and the same call goes on with it.
    """
    while left:
        part = left[0]
        rest: list[Sequence[T]] = []
        try:
            apply(part)
        except NotApplied as error:
            if len(part) == 1:
                refused(part[0], error)
            else:
                _log.warning("a batch of %d is taken apart: %s", len(part), error)
                middle = len(part) // 2
                rest = [part[:middle], part[middle:]]
        left[:1] = rest
