"""What the books of an item said, and what comparing all sides of a campaign found."""

from control_plane.reconciliation.models.books import Difference, Reconciliation
from control_plane.reconciliation.models.runs import (
    Finding,
    FindingKind,
    Outcome,
    Repair,
    RepairOutcome,
    Run,
    RunKind,
)

__all__ = [
    "Difference",
    "Finding",
    "FindingKind",
    "Outcome",
    "Reconciliation",
    "Repair",
    "RepairOutcome",
    "Run",
    "RunKind",
]
