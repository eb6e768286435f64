"""A process that kills itself with SIGKILL at a named point: `python -m tests.race.crash_at POINT`.

The real process with one call replaced, so that production code carries no switches for it. Nothing
is flushed, closed or committed on the way out.
"""

import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import workers
from tests.race import expiry, once
from tests.race.points import POINTS, Point

assert workers  # its import sets Django up, which the modules of the points need


def main(name: str) -> None:
    """Run the point's process until it dies."""
    point = POINTS[name]
    run = _process(point.process)
    module, _, path = point.target.partition(":")
    owner: Any = importlib.import_module(module)
    *classes, called = path.split(".")
    for one in classes:
        owner = getattr(owner, one)
    call = getattr(owner, called)
    deadly = _deadly(call, point)
    setattr(owner, called, deadly)
    if not classes:
        _replace_everywhere(call, deadly)
    run()


def _process(name: str) -> Callable[[], None]:
    """What to run."""
    if name == "expiry":
        return expiry.main
    if name in once.ONCE:
        return once.ONCE[name]
    module, _, by = name.partition(" by ")
    worker: Any = importlib.import_module(f"workers.{module}")
    if by:
        worker.BATCH_MAX = 4
    run: Callable[[], None] = worker.main
    return run


def _replace_everywhere(call: object, deadly: object) -> None:
    """Also where a module has imported the function by its name."""
    for module in list(sys.modules.values()):
        for name, value in list(vars(module).items()):
            if value is call:
                setattr(module, name, deadly)


def _deadly(call: Callable[..., Any], point: Point) -> Callable[..., Any]:
    def die_around(*args: Any, **kwargs: Any) -> Any:
        result = call(*args, **kwargs) if point.when == "after" else None
        if point.only(args, kwargs, result):
            os.kill(os.getpid(), signal.SIGKILL)
        return result if point.when == "after" else call(*args, **kwargs)

    return die_around


if __name__ == "__main__":
    main(sys.argv[1])
