"""The checked-in figures, whatever a benchmark has left in this clone."""

from pathlib import Path

import pytest

from deploy.capacity import figures


@pytest.fixture(autouse=True)
def no_report_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "REPORT", Path("no", "report.json"))
