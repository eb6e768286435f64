"""One comparison of a campaign: every side exported, compared, mended, written down."""

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.db import DatabaseError, InterfaceError
from django.utils.text import slugify

from control_plane.campaigns.models import Campaign, CampaignState
from control_plane.inventory.services import InventoryError
from control_plane.reconciliation import comparing, database_sides, services
from control_plane.reconciliation.models import Finding, Run
from control_plane.reconciliation.rules import Cut, Rule
from control_plane.reconciliation.runs import FINDINGS_MAX
from control_plane.reconciliation.sides import file_of, write
from workers.reconcile.kafka_side import KafkaSide
from workers.reconcile.repairs import Repairs
from workers.reconcile.stock_side import StockSide, epochs
from workers.runtime.clock import Clock
from workers.runtime.verdicts import Unavailable
from workers.stock.cluster import ShardFenced, StockClusters

# Somewhat longer than a relay's takeover of a dead one's entries, and than a consumer's restart.
SETTLE = timedelta(seconds=60)
# Of a campaign: what an earlier run has seen in Redis is asked for once more.
FOLDERS_KEPT = 3

_log = logging.getLogger("workers.reconcile")


class NothingToCompare(Exception):
    """There is no such campaign, or it is a draft."""


@dataclass(frozen=True)
class Sides:
    """Where is looked, and how what is found is mended; None: it is not."""

    clusters: StockClusters
    kafka: KafkaSide
    repairs: Repairs | None


@dataclass(frozen=True)
class Asked:
    """What somebody wants to know. `settle`: what is younger is under way."""

    slug: str
    kind: str = "by_hand"
    day: int | None = None
    engine: str = "duckdb"
    settle: timedelta = SETTLE
    grace: timedelta = timedelta(0)
    memory_mb: int = 1024


def look(asked: Asked, sides: Sides, folder: Path, clock: Clock) -> Run:
    """Compare and store; the run, whose outcome is unknown when a side could not be read.

    Raises NothingToCompare, NoEngine, and Django's errors when nothing can be stored either.
    """
    campaign = Campaign.objects.filter(slug=asked.slug).first()
    if campaign is None or campaign.state == CampaignState.DRAFT:
        what = "is a draft: nothing was sold" if campaign else "there is no such campaign"
        raise NothingToCompare(f"{asked.slug}: {what}")
    started = clock.now()
    own = _folder(folder, campaign, started)
    try:
        try:
            looked, found = _compare(asked, sides, campaign, own, started)
        except (Unavailable, ShardFenced, DatabaseError, InterfaceError, InventoryError) as error:
            problem, times = str(error).strip(), (started, clock.now())
            return services.store_unknown(
                campaign, asked.kind, asked.day, asked.engine, problem, times
            )
        run, findings = _store(looked, found, clock)
        if sides.repairs is not None:
            mend(sides.repairs, findings, clock.now)
        return run
    finally:
        _keep_few(own)


def mend(
    repairs: Repairs, findings: Sequence[tuple[Rule, Finding]], now: Callable[[], datetime]
) -> None:
    """Make the repairs that may be made, by action, and write each down as it is made."""
    by_action: dict[str, list[Finding]] = {}
    for rule, finding in findings:
        if rule.repair:
            by_action.setdefault(rule.repair, []).append(finding)
    for action, some in by_action.items():
        for done in repairs.make(action, some):
            services.note_repair(done.finding, done.action, done.outcome, done.text, now())


def _compare(
    asked: Asked, sides: Sides, campaign: Campaign, folder: Path, started: datetime
) -> tuple[services.Looked, list[comparing.Found]]:
    """The order is what makes the cut exact: see `stock_side` and README.md."""
    items = list(campaign.items.values_list("pk", flat=True))
    rows: dict[str, int] = {"earlier": _earlier(folder)}
    stock = StockSide(sides.clusters, folder, epochs(items, started))
    rows |= stock.export_units()
    before = sides.kafka.before()
    rows["stock_entries"] = database_sides.export_warehouse(folder, items)
    rows |= database_sides.export_sale(folder, items)
    books = services.books_of(campaign)
    rows |= stock.export_reservations(database_sides.intents(items))
    messages = sides.kafka.export(folder, items, campaign.starts_at, before)
    rows |= {"messages": messages.rows, "unheard": messages.unheard}
    settled = database_sides.before(started, asked.settle)
    cut = Cut(
        started=database_sides.moment_ms(started),
        settled=settled,
        pay_by=database_sides.before(started, asked.settle + asked.grace),
        kafka_since=messages.since_ms,
    )
    found = comparing.compare(folder, cut, asked.engine, memory_mb=asked.memory_mb)
    comparing.keep_winners(folder)
    for one in books:
        held = stock.books.get(one["item"])
        if held:
            one |= {
                "shards_granted": held.granted - held.reclaimed,
                "shards_avail": held.avail,
                "shards_sold": held.sold,
                "shards_off": held.off,
            }
    counts: dict[str, int] = {}
    for result in found:
        if result.rows:
            kind = result.rule.kind.value
            counts[kind] = counts.get(kind, 0) + result.rows
    in_flight = {"outbox": stock.in_outboxes, "kafka": messages.not_landed}
    return (
        services.Looked(
            campaign=campaign,
            kind=asked.kind,
            day=asked.day,
            started_at=started,
            engine=asked.engine,
            folder=str(folder),
            sides=rows,
            in_flight={name: count for name, count in in_flight.items() if count},
            items=books,
            counts=counts,
        ),
        found,
    )


def _store(
    looked: services.Looked, found: list[comparing.Found], clock: Clock
) -> tuple[Run, list[tuple[Rule, Finding]]]:
    findings = [
        (rule, services.finding_of(row, rule.is_notice))
        for rule, row in comparing.rows(found, FINDINGS_MAX)
    ]
    wrong = sum(one.rows for one in found if not one.rule.is_notice)
    run = services.store(looked, [one for _, one in findings], wrong, clock.now())
    return run, findings


def _folder(base: Path, campaign: Campaign, started: datetime) -> Path:
    own = base / slugify(campaign.slug) / started.strftime("%Y%m%dT%H%M%S.%f")
    own.mkdir(parents=True)
    return own


def _earlier(folder: Path) -> int:
    """What the newest run before this one saw, as this one's `earlier`; how many."""
    before = sorted(one for one in folder.parent.iterdir() if one.name < folder.name)
    for one in reversed(before):
        seen = file_of(one, "seen")
        if seen.exists():
            import pyarrow.parquet as pq

            shutil.copyfile(seen, file_of(folder, "earlier"))
            return int(pq.read_metadata(seen).num_rows)
    return write(folder, "earlier", ())


def _keep_few(folder: Path) -> None:
    """Without the oldest runs of the campaign: a large sale's files are a gigabyte.

    What was seen stays, however often nobody could look since.
    """
    runs = sorted(one for one in folder.parent.iterdir() if one.is_dir())
    seen = [one for one in runs if file_of(one, "seen").exists()]
    for old in set(runs[:-FOLDERS_KEPT]) - set(seen[-1:]):
        shutil.rmtree(old, ignore_errors=True)
