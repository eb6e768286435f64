"""Programs with stacks of their own, which come down also when this one is interrupted."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

# A stack takes so long to come down.
GOODBYE_S = 90.0
# Who insists is not kept waiting.
INSISTS = 3


class _Leaving:
    code = 0
    asked = 0
    # Depth of `undisturbed`.
    cleaning = 0


def leave_tidily() -> None:
    """SIGINT and SIGTERM raise SystemExit, once: what cleans up afterwards is not interrupted.

    The third one ends the process at once.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)


def leave_if_asked() -> None:
    """Raise it again where another exception has taken its place."""
    if _Leaving.code:
        raise SystemExit(_Leaving.code)


@contextmanager
def undisturbed() -> Iterator[None]:
    """For cleaning up: a signal is obeyed behind the block."""
    _Leaving.cleaning += 1
    try:
        yield
    finally:
        _Leaving.cleaning -= 1
    leave_if_asked()


def run(
    module: str,
    words: Sequence[str],
    tree: Path,
    *,
    names: Mapping[str, str] | None = None,
    deadline_s: float | None = None,
    quiet: bool = False,
) -> str:
    """`python -m module` in a tree; what it printed, when quiet.

    Raises subprocess.TimeoutExpired. Whatever ends this early, the child is asked to leave and
    waited for: its stack would stay up otherwise.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", module, *words],
        cwd=tree,
        env=names,
        text=True,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
    )
    try:
        return child.communicate(timeout=deadline_s)[0] or ""
    except subprocess.TimeoutExpired as error:
        error.output = _goodbye(child)
        raise
    except BaseException:
        _goodbye(child)
        raise


def _goodbye(child: "subprocess.Popen[str]") -> str:
    child.terminate()
    try:
        return child.communicate(timeout=GOODBYE_S)[0] or ""
    except subprocess.TimeoutExpired:
        child.kill()
        return child.communicate()[0] or ""


def _leave(number: int, _frame: FrameType | None) -> None:
    _Leaving.asked += 1
    if _Leaving.asked >= INSISTS:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    if not _Leaving.code:
        _Leaving.code = 128 + number
        if not _Leaving.cleaning:
            raise SystemExit(_Leaving.code)
