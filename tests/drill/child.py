"""A program run to its end, whose own stack comes down also when this one is interrupted."""

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

# A stack takes so long to come down.
GOODBYE_S = 90.0
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


def leave_tidily() -> None:
    """SIGINT and SIGTERM raise SystemExit, once: what cleans up afterwards is not interrupted."""
    for number in _INTERRUPTS:
        signal.signal(number, _leave)


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
    except BaseException:
        _goodbye(child)
        raise


def _goodbye(child: "subprocess.Popen[str]") -> None:
    child.terminate()
    try:
        child.communicate(timeout=GOODBYE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _leave(number: int, _frame: FrameType | None) -> None:
    for each in _INTERRUPTS:
        # Not SIG_IGN, which what is started now would inherit.
        signal.signal(each, lambda *_: None)
    raise SystemExit(128 + number)
