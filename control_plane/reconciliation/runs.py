"""Comparisons of all sides: which are due, what they said, and what was done about it."""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery

from control_plane.campaigns.models import Campaign
from control_plane.reconciliation.books import compare as compare_books
from control_plane.reconciliation.models import (
    Difference,
    Finding,
    FindingKind,
    Outcome,
    Repair,
    RepairOutcome,
    Run,
)

# Of each rule; the run's counts and its files have all.
FINDINGS_MAX = 10_000
PROBLEM_LENGTH_MAX = 500
# The epochs' keys are forgotten ten minutes after they were closed.
AT_END_AFTER, AT_END_BEFORE = timedelta(minutes=2), timedelta(minutes=9)
# A side that is away is not asked again every minute.
UNKNOWN_REST = timedelta(minutes=10)
# There are seven minutes for it, and others may be due meanwhile.
AT_END_REST = timedelta(minutes=2)
# As long as books that do not balance stay in the figures.
MONTH = timedelta(days=30)
DAYS_MAX = 7
# Of the process that compares: balanced, findings, unknown.
ENDS = (0, 1, 2)
_DUE = """
SELECT campaign.slug, 'at_end', NULL, campaign.ended_at
  FROM campaigns_campaign campaign
 WHERE campaign.state = 'ended'
   AND campaign.ended_at BETWEEN %(now)s - %(end_before)s AND %(now)s - %(end_after)s
   AND NOT EXISTS (SELECT FROM reconciliation_run done
                    WHERE done.campaign_id = campaign.id AND done.kind = 'at_end'
                      AND (done.outcome <> 'unknown'
                           OR done.finished_at > %(now)s - %(end_rest)s))
UNION ALL
SELECT due.slug, 'day_after', due.day, due.ended_at
  FROM (SELECT campaign.id, campaign.slug, campaign.ended_at,
               floor(extract(epoch FROM %(now)s - campaign.ended_at - %(after)s
                             - campaign.pay_minutes * interval '1 minute') / 86400)::int AS day
          FROM campaigns_campaign campaign
         WHERE campaign.state = 'ended' AND campaign.ended_at <= %(now)s - %(after)s) due
 WHERE due.day BETWEEN 0 AND %(last)s
   AND NOT EXISTS (SELECT FROM reconciliation_run done
                    WHERE done.campaign_id = due.id AND done.kind = 'day_after'
                      AND (done.outcome = 'balanced' OR done.outcome = 'findings'
                           AND done.day >= due.day
                           OR done.outcome = 'unknown' AND done.finished_at > %(now)s - %(rest)s))
 ORDER BY 4, 1
"""

log = logging.getLogger(__name__)


class Due(NamedTuple):
    """A comparison that the clock is to make."""

    slug: str
    kind: str
    day: int | None


class Looked(NamedTuple):
    """What a comparison says of itself."""

    campaign: Campaign
    kind: str
    day: int | None
    started_at: datetime
    engine: str
    folder: str
    sides: dict[str, int]
    in_flight: dict[str, int]
    # Of each item, as `books_of` gives it.
    items: list[dict[str, Any]]
    counts: dict[str, int]


def due(now: datetime, after: timedelta) -> list[Due]:
    """What the clock has not compared yet: shortly after the end, and each day until it balances.

    Reads only.
    """
    with connection.cursor() as cursor:
        values: dict[str, Any] = {
            "now": now,
            "after": after,
            "last": DAYS_MAX,
            "end_after": AT_END_AFTER,
            "end_before": AT_END_BEFORE,
            "rest": UNKNOWN_REST,
            "end_rest": AT_END_REST,
        }
        cursor.execute(_DUE, values)
        return [Due(slug, kind, day) for slug, kind, day, _ in cursor.fetchall()]


def books_of(campaign: Campaign) -> list[dict[str, Any]]:
    """The equation I1 of each item filled in, beside it what the ledgers add up to.

    Reads only; raises Django's errors, and NoPool for a draft.
    """
    rows = []
    for item in campaign.items.order_by("pk"):
        books = compare_books(item.pk)
        drift = books.differences.get(Difference.UNITS.value, 0)
        rows.append({"item": item.pk, "sku": item.sku, "drift": drift, **books.fields})
    return rows


def outcome_of(items: Iterable[dict[str, Any]], findings: int) -> Outcome:
    """BALANCED: every equation holds and there is nothing to be done about anything."""
    holds = all(one["drift"] == 0 and not one.get("shards_off") for one in items)
    return Outcome.BALANCED if holds and not findings else Outcome.FINDINGS


def store(looked: Looked, findings: Iterable[Finding], wrong: int, now: datetime) -> Run:
    """Write a comparison down with what it found, all or nothing.

    `wrong` is how many findings are no notices; `findings` may be fewer (FINDINGS_MAX).
    """
    with transaction.atomic():
        run = Run.objects.create(
            campaign=looked.campaign,
            kind=looked.kind,
            day=looked.day,
            started_at=looked.started_at,
            finished_at=now,
            engine=looked.engine,
            outcome=outcome_of(looked.items, wrong),
            items=looked.items,
            counts=looked.counts,
            sides=looked.sides,
            in_flight=looked.in_flight,
            folder=looked.folder,
        )
        left = iter(findings)
        while some := list(islice(left, 1000)):
            for one in some:
                one.run = run
            Finding.objects.bulk_create(some)
    if run.outcome != Outcome.BALANCED:
        log.error(
            "sides do not balance: %s",
            looked.counts,
            extra={"kind": "sides_unbalanced", "campaign": looked.campaign.slug},
        )
    return run


def store_unknown(
    campaign: Campaign, kind: str, day: int | None, engine: str, problem: str, times: Sequence[Any]
) -> Run:
    """Write down that nobody could look, and why; `times` are its beginning and its end."""
    log.error(
        "sides not compared: %s",
        problem,
        extra={"kind": "sides_unknown", "campaign": campaign.slug},
    )
    return Run.objects.create(
        campaign=campaign,
        kind=kind,
        day=day,
        started_at=times[0],
        finished_at=times[1],
        engine=engine,
        outcome=Outcome.UNKNOWN,
        problem=problem.replace("\0", "\ufffd")[:PROBLEM_LENGTH_MAX],
    )


def newest_of(one: Due) -> int:
    """The number of its last run; 0 when there is none."""
    runs = Run.objects.filter(campaign__slug=one.slug, kind=one.kind)
    return runs.order_by("-pk").values_list("pk", flat=True).first() or 0


def note_end(one: Due, code: int | None, newest: int, times: Sequence[Any]) -> None:
    """A comparison that broke, or wrote nothing down, is unknown: it is not made again at once.

    `code` is its process', None when it took too long; `newest` is `newest_of` before it.
    """
    if code in ENDS and newest_of(one) > newest:
        return
    problem = "it took too long" if code is None else f"its process ended with {code}"
    campaign = Campaign.objects.get(slug=one.slug)
    store_unknown(campaign, one.kind, one.day, "duckdb", problem, times)


def finding_of(row: dict[str, Any], is_notice: bool) -> Finding:
    """A row of `sides.FINDINGS` for the table. Text of other systems is cut to what fits."""
    return Finding(
        kind=row["kind"],
        what=row["what"],
        is_notice=is_notice,
        item_number=row["item"],
        shard=row["shard"],
        epoch=row["epoch"],
        shopper=_text(row["shopper"]),
        reservation_id=_text(row["reservation_id"]),
        order_number=row["order_id"],
        ref=_text(row["ref"]),
        expected=row["expected"],
        found=row["found"],
    )


def note_repair(finding: Finding, action: str, outcome: str, text: str, now: datetime) -> None:
    """Write down what was done about a finding, once; a repeat keeps the first word."""
    log.warning(
        "repair %s: %s %s",
        action,
        outcome,
        text,
        extra={
            "kind": "repaired",
            "finding": finding.kind,
            "reservation_id": finding.reservation_id,
        },
    )
    row = Repair(finding=finding, at=now, action=action, outcome=outcome, text=text[:300])
    Repair.objects.bulk_create([row], ignore_conflicts=True)


def open_findings(run: Run) -> QuerySet[Finding]:
    """What waits for a person: no notice, and nothing has mended it."""
    return _open().filter(run=run)


def _open() -> QuerySet[Finding]:
    mended = Q(repair__outcome__in=[RepairOutcome.DONE, RepairOutcome.NOT_NEEDED])
    return Finding.objects.filter(is_notice=False).exclude(mended)


def waiting(now: datetime) -> int:
    """Findings that wait for a person, of the last run of each campaign that could look.

    Campaigns that ended within a month. Reads only.
    """
    looked = Run.objects.exclude(outcome=Outcome.UNKNOWN).filter(campaign=OuterRef("pk"))
    latest = Campaign.objects.filter(ended_at__gt=now - MONTH).annotate(
        latest=Subquery(looked.order_by("-pk").values("pk")[:1])
    )
    return _open().filter(run__in=latest.values("latest")).count()


def newest(campaign: Campaign) -> Run | None:
    """The last comparison of a campaign, whatever it said."""
    return Run.objects.filter(campaign=campaign).order_by("-pk").first()


def kinds() -> list[str]:
    """Every kind of finding, in the order of a report."""
    return [str(kind) for kind in FindingKind.values]


def _text(value: str | None) -> str:
    return (value or "").replace("\0", "\ufffd")[:64]
