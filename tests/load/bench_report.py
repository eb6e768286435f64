"""`var/bench/report.json`: what each benchmark measured, on this machine and of this commit.

    python -m tests.load.bench_report        # prints the table and writes var/bench/report.html

Each part adds its measures when it is done, in the form of `FIELDS`; those of another machine or
commit go. `var/bench/report.html` is made anew each time.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.load.measures import COUNTS, MEASURES, distance

FOLDER = Path("var", "bench")
REPORT = FOLDER / "report.json"
CHAIN = FOLDER / "chain.json"
PAGE = FOLDER / "report.html"
# Every measure has these; `product`, `limit` are null where nothing is compared.
FIELDS = ("value", "unit", "target", "met", "product", "limit", "rounds", "spread")
Json = dict[str, Any]


def record(measures: Mapping[str, Json]) -> None:
    """Add measures (P1, P3, …) to the report, and what else a part says of the same tree.

    Raises ValueError for a measure that lacks a field.
    """
    for name, measure in measures.items():
        if name.split(" ")[0] not in MEASURES:
            continue
        if missing := [field for field in FIELDS if field not in measure]:
            raise ValueError(f"{name} lacks {', '.join(missing)}")
    write(REPORT, merged(read(REPORT), about(), measures))
    show()


def extend(name: str, more: Json) -> None:
    """Add fields to a measure that was recorded before, of the same run."""
    report = read(REPORT)
    report["measures"][name] |= more
    write(REPORT, report)


def merged(known: Json, same: Json, measures: Mapping[str, Json]) -> Json:
    """The report with these measures, and with those it had of the same machine and commit."""
    if same.items() <= known.items():
        measures = {**known["measures"], **measures}
    return same | {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "measures": {name: measures[name] for name in sorted(measures, key=_order)},
    }


def about() -> Json:
    """The machine and the commit; two reports of the same may be put together."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "machine": f"{platform.platform()}, {os.cpu_count()} cores{_processor()}",
        "commit": commit.stdout.strip(),
    }


def read(path: Path) -> Json:
    """A report, empty when there is none yet."""
    found: Json = json.loads(path.read_text()) if path.exists() else {}
    return found


def write(path: Path, document: Json) -> None:
    """Write it, and the page anew."""
    from tests.load.page.page import render

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")
    report, chain = read(REPORT), read(CHAIN)
    if report.get("commit") != chain.get("commit"):
        chain = {}  # of another tree: two figures that do not belong together
    PAGE.write_text(render(report or document | {"measures": {}}, chain))


def show() -> None:
    """The table: every measure of MEASURES.md, with its distance, or that it was not taken."""
    measures = read(REPORT).get("measures", {})
    print(f"\n{'':<4}{'measure':<44}{'value':>12}{'target':>12}  {'':<22}accepted/refused/landed")
    for name, (title, _, _) in MEASURES.items():
        if not (seen := measures.get(name)):
            print(f"{name:<4}{title:<44}{'not measured':>12}")
            continue
        _line(name, title, seen)
        for variant in (one for one in measures if one.startswith(f"{name} ")):
            _line("", variant.removeprefix(f"{name} "), measures[variant], name)
    print(f"report in {REPORT} and {PAGE}")


def _line(name: str, title: str, seen: Json, of: str = "") -> None:
    counts = " / ".join("–" if seen.get(one) is None else f"{seen[one]:,}" for one in COUNTS)
    print(
        f"{name:<4}{title:<44}{seen['value']:>12,}{seen['target']:>12,}  "
        f"{distance(name or of, seen):<22}{counts}"
    )


def _order(name: str) -> tuple[int, str]:
    """P2 before P10, and what belongs to a measure behind it."""
    number = name.split(" ")[0].lstrip("P")
    return (int(number) if number.isdecimal() else 1000, name)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f" {names[0]}" if names else ""


if __name__ == "__main__":
    if not REPORT.exists() and not CHAIN.exists():
        sys.exit("nothing was measured yet: make bench")
    write(REPORT, read(REPORT) or about() | {"date": "", "measures": {}})
    show()
