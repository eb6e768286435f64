"""A comparison as a table for whoever asked on the command line."""

import unicodedata
from collections import Counter
from collections.abc import Sequence

from control_plane.reconciliation.models import Finding, Outcome, RepairOutcome, Run
from control_plane.reconciliation.services import open_findings

# Findings that are listed one by one; all are in the admin.
LISTED = 20


def text(run: Run) -> str:
    """What was compared, the equation of each item, findings by kind, and what is left to do."""
    seconds = (run.finished_at - run.started_at).total_seconds()
    head = f"campaign {run.campaign.slug}, {run.engine}, {seconds:.1f} s"
    if run.outcome == Outcome.UNKNOWN:
        return "\n".join([head, "", f"UNKNOWN: could not look, so nothing is said: {run.problem}"])
    waiting = list(open_findings(run).order_by("pk")[: LISTED + 1])
    parts = [head, *_read(run), "", *_equations(run), "", *_kinds(run)]
    if waiting:
        parts += ["", "for a person:", *_listed(waiting)]
    return "\n".join([*parts, "", _verdict(run)])


def _read(run: Run) -> list[str]:
    names = ("winners", "outbox", "messages", "orders", "ledger", "stock_entries")
    rows = ", ".join(f"{run.sides.get(name, 0)} {name.replace('_', ' ')}" for name in names)
    lines = [f"read: {rows}"]
    if run.in_flight:
        under_way = ", ".join(f"{count} in {place}" for place, count in run.in_flight.items())
        lines.append(f"under way, and no error: {under_way}")
    return lines


def _equations(run: Run) -> list[str]:
    rows = [("item", "total", "=", "pool", "+ shards", "+ live orders", "missing", "shards' books")]
    for one in run.items:
        off = one.get("shards_off")
        shards = "–" if off is None else f"{off} off" if off else "balance"
        rows.append(
            (
                one["sku"],
                str(one["total"]),
                "=" if one["drift"] == 0 else "≠",
                str(one["unallocated"]),
                str(one["open_leftover"]),
                str(one["live_units"]),
                str(one["drift"]),
                shards,
            )
        )
    return _columns(rows)


def _kinds(run: Run) -> list[str]:
    repaired = Counter(
        run.findings.filter(
            repair__outcome__in=[RepairOutcome.DONE, RepairOutcome.NOT_NEEDED]
        ).values_list("kind", flat=True)
    )
    notices = Counter(run.findings.filter(is_notice=True).values_list("kind", flat=True))
    if not run.counts:
        return ["findings: none"]
    rows = [("finding", "found", "repaired", "for information", "open")]
    for kind, count in run.counts.items():
        left = count - repaired[kind] - notices[kind]
        row = (kind.upper(), count, repaired[kind], notices[kind], left)
        rows.append(tuple(map(str, row)))  # type: ignore[arg-type]
    return _columns(rows)


def _listed(waiting: Sequence[Finding]) -> list[str]:
    lines = []
    for one in waiting[:LISTED]:
        who = one.reservation_id or (f"order {one.order_number}" if one.order_number else one.ref)
        amounts = f", {one.expected} against {one.found}" if one.expected is not None else ""
        repair = getattr(one, "repair", None)
        tried = f" · {repair.action} {repair.outcome}: {repair.text}" if repair else ""
        lines.append(f"  {one.kind.upper()} {one.what}: {who}{amounts}{tried}")
    if len(waiting) > LISTED:
        lines.append("  …")
    return lines


def _verdict(run: Run) -> str:
    is_even = all(one["drift"] == 0 and not one.get("shards_off") for one in run.items)
    if not is_even:
        return "DOES NOT BALANCE: units are missing or there are too many"
    left = open_findings(run).count()
    if left:
        return f"DOES NOT BALANCE: {left} findings wait for a person (admin: Reconciliations)"
    return "BALANCED" if run.outcome == Outcome.BALANCED else "BALANCED: all was repaired"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(_width(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(
            cell + " " * (width - _width(cell)) if at == 0 else " " * (width - _width(cell)) + cell
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _width(cell: str) -> int:
    """A Chinese sign takes two columns of a terminal."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in cell)
