"""`var/bench/report.json`: what each benchmark measured, on this machine and of this commit."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

REPORT = Path("var", "bench", "report.json")


def record(measures: dict[str, dict[str, Any]]) -> None:
    """Add measures (P1, P3, …) to the report; those of another machine or commit go."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    same = {
        "machine": f"{platform.platform()}, {os.cpu_count()} cores",
        "commit": commit.stdout.strip(),
    }
    known: dict[str, Any] = json.loads(REPORT.read_text()) if REPORT.exists() else {}
    if same.items() <= known.items():
        measures = known["measures"] | measures
    report = same | {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "measures": dict(sorted(measures.items())),
    }
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=2) + "\n")
    print(f"\nreport in {REPORT}")
