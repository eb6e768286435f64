"""Drills on a staging installation: begun by the clock or by hand, their reports kept as files.

What is broken is a stack of the drill's own beside the installation (`tests/drill/README.md`); its
load is not, and nobody should have that beside customers. So everything here raises NotStaging
unless SLUICE_DRILLS_ON says `staging`, which nothing sets by itself.
"""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings

from control_plane.config.singleton import alone

ROOT = Path(__file__).resolve().parents[2]
STAGING = "staging"
# Any constant; one number per singleton.
DRILL_LOCK = 0xD_1211
SOAK = "5m"
MOST_S = 3 * 3600
# Bringing stacks up, and every sale's coming to rest, take twice as long as the soak itself.
SOAK_MOST_S = MOST_S // 3
# From SIGTERM to SIGKILL; then for each stack to go down.
ENDS_S, DOWN_S = 30, 300
# What the drills' stacks are called (`tests/drill`).
PROFILES = ("drill", "faults")
DRILL = ("-m", "tests.drill")
REPORTS_SHOWN = 50

_SOAK = re.compile(r"([1-9][0-9]{0,3})([smh])")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
# Of this process's environment; LC_* too.
_PASSED = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR"),
        *("VIRTUAL_ENV", "JAVA_HOME"),
    )
)
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_REPORT = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9]{1,10}")

_log = logging.getLogger(__name__)


class DrillError(Exception):
    """Why no drill was run."""


class NotStaging(DrillError):
    """This installation has not said that it is a staging one."""

    def __init__(self) -> None:
        super().__init__(
            "drills run only on a staging installation: SLUICE_DRILLS_ON is not `staging`"
        )


@dataclass(frozen=True)
class Report:
    """A finished run; `name` is that of its files."""

    name: str
    at: str
    seed: int | None
    green: int
    drills: int
    red: tuple[str, ...]


def check_staging() -> None:
    """Raise NotStaging unless drills are for this installation."""
    if settings.ENV.drills_on != STAGING:
        raise NotStaging


def folder() -> Path:
    """Where reports are kept."""
    return ROOT / "var" / "drill" / "scheduled"


def words_of(soak: str, names: Sequence[str], seed: int) -> list[str]:
    """What is asked of tests.drill; raises DrillError for what it would not understand."""
    if wrong := [name for name in names if not _NAME.fullmatch(name)]:
        raise DrillError(f"{wrong[0]!r} is no drill's name")
    if names:
        return ["--no-controls", *(word for name in names for word in ("--name", name))]
    form = _SOAK.fullmatch(soak)
    if form is None:
        raise DrillError(f"{soak!r} is no time: 90s, 10m, 1h")
    if int(form[1]) * _SECONDS[form[2]] > SOAK_MOST_S:
        raise DrillError(f"a soak of {soak} is too long: {SOAK_MOST_S // 60}m at most")
    return ["--no-controls", "--soak", soak, "--seed", str(seed)]


def begin(soak: str, names: Sequence[str], now: datetime) -> int:
    """Start a run in a process of its own, which outlives whoever began it; its seed.

    Raises NotStaging and DrillError. Where one runs already, the new one ends at once; that, and
    whatever else ends it without a report, is logged.
    """
    check_staging()
    _check_tree()
    seed = int(now.timestamp())
    words_of(soak, names, seed)
    command = [sys.executable, "-m", "control_plane", "drill", "--seed", str(seed)]
    command += ["--soak", soak, *(word for name in names for word in ("--name", name))]
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / "drill.log").open("ab") as log:
        child = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
    threading.Thread(target=_watch, args=(child, seed), name="drill", daemon=True).start()
    return seed


def run(soak: str, names: Sequence[str], seed: int, now: datetime) -> Path:
    """Run it here, to its end; the report. Raises NotStaging and DrillError."""
    check_staging()
    _check_tree()
    words = words_of(soak, names, seed)
    path = folder() / f"{now:%Y%m%dT%H%M%S}-{seed}.json"
    folder().mkdir(parents=True, exist_ok=True)
    with alone(DRILL_LOCK) as is_alone:
        if not is_alone:
            raise DrillError("a drill runs already")
        _carry_out([*words, "--report", str(path)])
    if not path.exists():
        raise DrillError("the drill left no report; its output is in drill.log beside the reports")
    return path


def reports() -> list[Report]:
    """The newest ones first."""
    check_staging()
    paths = sorted(folder().glob("*.json"), reverse=True)[:REPORTS_SHOWN]
    return [_report(path) for path in paths if _REPORT.fullmatch(path.stem)]


def page_of(name: str) -> str:
    """A report as it was written, in HTML; raises KeyError when there is none of that name."""
    check_staging()
    path = folder() / f"{name}.html"
    if not _REPORT.fullmatch(name) or not path.exists():
        raise KeyError(name)
    return path.read_text()


def _report(path: Path) -> Report:
    told = json.loads(path.read_text())
    red = tuple(one["name"] for one in told["drills"] if one["verdict"] != "pass")
    count = len(told["drills"])
    return Report(path.stem, told["date"], told["seed"], count - len(red), count, red)


def _check_tree() -> None:
    """Raise DrillError in an image: it has no tests/, and no servers to start."""
    if not (ROOT / "tests" / "drill" / "__main__.py").exists():
        raise DrillError("this installation has no tests/drill: drills need a source checkout")


def _watch(child: "subprocess.Popen[bytes]", seed: int) -> None:
    """Nobody waits for it but this thread."""
    if code := child.wait():
        _log.error("the drill with seed %d failed (%d); see %s", seed, code, folder() / "drill.log")


def _carry_out(words: Sequence[str]) -> None:
    """The drills, to their end; raises DrillError when that does not come, with no stack left up.

    A process group of their own: whoever stops them stops what they have started too. The servers
    are their supervisor's, so they are taken down by name.
    """
    child = subprocess.Popen(
        [sys.executable, *DRILL, *words], cwd=ROOT, env=_outside(), start_new_session=True
    )
    ended = False
    try:
        child.wait(MOST_S)
        ended = True
    except subprocess.TimeoutExpired as error:
        raise DrillError(f"the drills took longer than {MOST_S} s and were stopped") from error
    finally:
        # Also where this process itself is interrupted.
        if not ended:
            _end(child)
            _take_down()


def _end(child: "subprocess.Popen[bytes]") -> None:
    """SIGTERM to its group, and what is left of it after a while SIGKILL."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(ENDS_S)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _take_down() -> None:
    for profile in PROFILES:
        command = [sys.executable, "-m", "deploy.local", "down", "--profile", profile]
        try:
            subprocess.run(command, check=True, cwd=ROOT, env=_outside(), timeout=DOWN_S)
        except subprocess.SubprocessError as error:
            _log.error("the stack %s of the drills is not down: %s", profile, error)


def _outside() -> dict[str, str]:
    """Nothing of this installation's: the drill's stack has addresses and keys of its own."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in _PASSED or name.startswith("LC_")
    }
