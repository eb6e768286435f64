"""Compare all sides of a campaign: what `make reconcile` and the clock start.

    python -m workers.reconcile CAMPAIGN [--engine spark] [--no-repair]

Exit code 0 when the books balance, 1 when something is left for a person, 2 when a side could not
be read: then nothing is said about the books.
"""

import argparse
import logging
import os
import sys
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError

from control_plane.reconciliation import engines
from control_plane.reconciliation.models import Outcome, Run, RunKind
from control_plane.reconciliation.services import open_findings
from workers.reconcile.kafka_side import KafkaSide
from workers.reconcile.looking import Asked, NothingToCompare, Sides, look
from workers.reconcile.repairs import Repairs
from workers.reconcile.table import text
from workers.runtime import env as environment
from workers.runtime import kafka, log
from workers.runtime.clock import SystemClock
from workers.stock.cluster import StockClusters

BALANCED, FINDINGS, UNKNOWN = 0, 1, 2
# An export is no purchase: it may wait for a node that is busy.
CALL_TIMEOUT_S = 10.0

_log = logging.getLogger("workers.reconcile")


def exit_code(run: Run) -> int:
    """What a shell is told of it."""
    if run.outcome == Outcome.UNKNOWN:
        return UNKNOWN
    if run.outcome == Outcome.BALANCED:
        return BALANCED
    is_even = all(one["drift"] == 0 and not one.get("shards_off") for one in run.items)
    return BALANCED if is_even and not open_findings(run).exists() else FINDINGS


def main(arguments: list[str] | None = None) -> int:
    """Look once. Whatever goes wrong, nothing is said about the books: 1 means findings only."""
    given = _parser().parse_args(arguments)
    try:
        run = _look(given)
        print(text(run))
        return exit_code(run)
    except (NothingToCompare, engines.NoEngine, DatabaseError, OSError) as error:
        problem = str(error).strip()
    except Exception as error:  # noqa: BLE001  (logged, and told by the exit code)
        _log.critical("comparison broke", exc_info=True, extra={"campaign": given.campaign})
        problem = f"{type(error).__name__}: {error}"
    print(f"reconcile: could not look: {problem}", file=sys.stderr)
    return UNKNOWN


def _look(given: argparse.Namespace) -> Run:
    # It serves no figures, so it needs no port for them.
    environ = {"SLUICE_METRICS_PORT": "1"} | os.environ
    env = environment.read_or_exit(environ, stock_redis=True, kafka=True)
    log.configure("CRITICAL" if given.quiet else env.log_level)
    assert env.kafka_brokers
    names, clock = kafka.Names(env.kafka_prefix), SystemClock()
    side = KafkaSide(env.kafka_brokers, names)
    clusters = StockClusters.connect(env.stock_sources, "reconcile", CALL_TIMEOUT_S)
    producer = kafka.connect_producer(kafka.producer_settings(env.kafka_brokers))
    repairs = None if given.no_repair else Repairs(clusters, side, producer, names, clock)
    asked = Asked(
        slug=given.campaign,
        kind=given.kind,
        day=given.day,
        engine=given.engine,
        settle=timedelta(seconds=given.settle_s),
        grace=timedelta(seconds=settings.ENV.late_money_grace_s),
    )
    return look(asked, Sides(clusters, side, repairs), Path(settings.ENV.reconcile_dir), clock)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m control_plane reconcile", description=__doc__)
    parser.add_argument("campaign", help="the campaign's slug")
    parser.add_argument("--engine", choices=engines.ENGINES, default=engines.DUCKDB)
    parser.add_argument("--no-repair", action="store_true", help="look and change nothing")
    parser.add_argument(
        "--settle-s", type=int, default=60, help="what is younger is under way (60)"
    )
    parser.add_argument("--kind", choices=RunKind.values, default="by_hand", help=argparse.SUPPRESS)
    parser.add_argument("--day", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--quiet", action="store_true", help="no log lines")
    return parser


if __name__ == "__main__":
    sys.exit(main())
