"""The table fault → verdict → figures → control, and `var/drill/report.json`."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.drill.drill import Figures, Result

COLOURS = {"pass": "green", "fail": "bold red", "broken": "bold yellow"}
# What is in every drill's figures; the table shows these and whatever the drill adds.
EVERYWHERE = ("reserved", "confirmed", "rejected", "ended", "lost_on_failover", "late")
NOT_SHOWN = frozenset(
    {*EVERYWHERE, "shoppers", "answers", "lost", "rearms", "looks_at_i1", "complaints"}
)


def write(results: Sequence[Result], path: Path) -> None:
    """The format of MEASURES.md, with what was complained of."""
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
    path.write_text(json.dumps({"drills": drills}, indent=2, default=str) + "\n")


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
    words += [f"{name} {value}" for name, value in found.items() if name not in NOT_SHOWN]
    return ", ".join(words)
