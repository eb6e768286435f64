"""Reconciliations in the admin."""

from control_plane.reconciliation.admin.books import ReconciliationAdmin
from control_plane.reconciliation.admin.runs import RunAdmin

__all__ = ["ReconciliationAdmin", "RunAdmin"]
