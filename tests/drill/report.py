"""The table fault → verdict → figures → control, and `var/drill/report.json`."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.local.site import ROOT
from tests.drill.drill import Drill, Figures, Result

COLOURS = {"pass": "green", "fail": "bold red", "broken": "bold yellow"}
# What is in every drill's figures; the table shows these and whatever the drill adds.
EVERYWHERE = ("reserved", "confirmed", "rejected", "ended", "lost_on_failover", "late")
NOT_SHOWN = frozenset(
    {*EVERYWHERE, "shoppers", "answers", "lost", "rearms", "looks_at_i1", "complaints", "timeline"}
)


def write(results: Sequence[Result], path: Path, seed: int | None = None) -> None:
    """The format of MEASURES.md, with what was complained of; `seed` is the soak's."""
    drills = [
        {
            "name": result.drill.name,
            "fault": result.drill.fault,
            "verdict": result.verdict,
            "control": result.control,
            "controls": result.controls,
            "complaints": result.complaints,
            "seconds": round(result.seconds, 1),
            "figures": result.figures,
        }
        for result in results
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    told: dict[str, Any] = {"date": datetime.now(UTC).isoformat(timespec="seconds")}
    told |= {"commit": _commit(), "machine": _machine(), "seed": seed, "drills": drills}
    replace(path, json.dumps(told, indent=2, default=str) + "\n")


def replace(path: Path, text: str) -> None:
    """Whole or not at all, also when somebody is interrupted in it."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text)
    fresh.replace(path)


def read(path: Path, drills: Sequence[Drill]) -> list[Result]:
    """What another process has written of these; OSError when it has not."""
    by_name = {drill.name: drill for drill in drills}
    return [
        Result(
            by_name[one["name"]], one["verdict"], one["complaints"], one["figures"], one["seconds"]
        )
        for one in json.loads(path.read_text())["drills"]
    ]


def _commit() -> str:
    """With a star when the tree is not as it was committed; empty outside of git."""
    words = ["git", "describe", "--always", "--dirty=*", "--exclude=*"]
    done = subprocess.run(words, check=False, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip()


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def show(console: Console, results: Sequence[Result]) -> None:
    """The table; complaints stand under their drill."""
    table = Table(
        "drill", "fault", "verdict", "figures", "control", title="Drills", show_lines=True
    )
    for result in results:
        colour = COLOURS[result.verdict]
        verdict = f"[{colour}]{result.verdict}[/]"
        told = "\n".join(result.complaints)
        table.add_row(
            result.drill.name,
            result.drill.fault,
            f"{verdict}\n{told}" if told else verdict,
            figures(result.figures),
            result.control,
        )
    console.print(table)


def figures(found: Figures) -> str:
    """In words; what is zero in a good run is shown only when it is not."""
    words = [
        f"{name} {found[name]}"
        for name in EVERYWHERE
        if name in found and (found[name] or name in ("reserved", "confirmed"))
    ]
    words += [f"{name} {_shown(value)}" for name, value in found.items() if name not in NOT_SHOWN]
    return ", ".join(words)


def _shown(value: Any) -> str:
    """A measure as one reads it; everything else as it is."""
    if isinstance(value, dict) and {"value", "unit", "target"} <= value.keys():
        return f"{value['value']} {value['unit']} (target {value['target']})"
    return str(value)
