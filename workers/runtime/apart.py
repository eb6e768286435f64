"""A batch that is refused for its content is taken apart, until who is refused alone is known."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from workers.runtime.verdicts import NotApplied

T = TypeVar("T")
R = TypeVar("R")

_log = logging.getLogger(__name__)


def apply_apart(
    part: Sequence[T],
    apply: Callable[[Sequence[T]], R],
    refused: Callable[[T, NotApplied], None],
    between: Callable[[], None],
) -> list[R]:
    """What `apply` gave for the whole, or for each part of it when it raises NotApplied.

    By halves, in their order, down to one, which is told to `refused`. `between` is called before
    each part: thousands of transactions may follow. What else either raises passes through.
    """
    try:
        return [apply(part)]
    except NotApplied as error:
        if len(part) == 1:
            refused(part[0], error)
            return []
        _log.warning("a batch of %d is taken apart: %s", len(part), error)
    middle = len(part) // 2
    applied: list[R] = []
    for half in (part[:middle], part[middle:]):
        between()
        applied += apply_apart(half, apply, refused, between)
    return applied
