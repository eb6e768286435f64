"""Drills on a staging installation: begun by the clock or by hand, their reports kept as files.

What is broken is a stack of the drill's own beside the installation (`tests/drill/README.md`); its
load is not, and nobody should have that beside customers. So everything here raises NotStaging
unless SLUICE_DRILLS_ON says `staging`, which nothing sets by itself.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
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
# Bringing a stack up and down, and coming to rest, besides the soak itself.
MOST_S = 3 * 3600
REPORTS_SHOWN = 50

_SOAK = re.compile(r"[1-9][0-9]{0,3}[smh]")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_REPORT = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9]{1,10}")


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
    if not _SOAK.fullmatch(soak):
        raise DrillError(f"{soak!r} is no time: 90s, 10m, 2h")
    return ["--no-controls", "--soak", soak, "--seed", str(seed)]


def begin(soak: str, names: Sequence[str], now: datetime) -> int:
    """Start a run in a process of its own, which outlives whoever began it; its seed.

    Raises NotStaging and DrillError. Where one runs already, the new one ends at once.
    """
    check_staging()
    seed = int(now.timestamp())
    words_of(soak, names, seed)
    command = [sys.executable, "-m", "control_plane", "drill", "--seed", str(seed)]
    command += ["--soak", soak, *(word for name in names for word in ("--name", name))]
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / "drill.log").open("ab") as log:
        subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
    return seed


def run(soak: str, names: Sequence[str], seed: int, now: datetime) -> Path:
    """Run it here, to its end; the report. Raises NotStaging and DrillError."""
    check_staging()
    words = words_of(soak, names, seed)
    if not (ROOT / "tests" / "drill" / "__main__.py").exists():
        raise DrillError("this installation was made without tests/: drills need the whole tree")
    path = folder() / f"{now:%Y%m%dT%H%M%S}-{seed}.json"
    folder().mkdir(parents=True, exist_ok=True)
    with alone(DRILL_LOCK) as is_alone:
        if not is_alone:
            raise DrillError("a drill runs already")
        command = [sys.executable, "-m", "tests.drill", *words, "--report", str(path)]
        subprocess.run(command, check=False, cwd=ROOT, env=_outside(), timeout=MOST_S)
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


def _outside() -> dict[str, str]:
    """Nothing of this installation's: the drill's stack has addresses and keys of its own."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SLUICE_")
        and name not in ("DJANGO_SETTINGS_MODULE", "PROMETHEUS_MULTIPROC_DIR")
    }
