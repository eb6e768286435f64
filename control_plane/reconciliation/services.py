"""Reconciliation at T+1: a row for each item a day after its campaign's end."""

import logging
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import Error as DatabaseError
from django.db import connection

from control_plane.inventory.services import InventoryError
from control_plane.reconciliation.books import Books, compare
from control_plane.reconciliation.models import Reconciliation
from control_plane.reconciliation.runs import (
    Due,
    Looked,
    books_of,
    due,
    finding_of,
    newest,
    newest_of,
    note_end,
    note_repair,
    open_findings,
    store,
    store_unknown,
    waiting,
)

__all__ = [
    "Due",
    "Figures",
    "Looked",
    "books_of",
    "compare",
    "due",
    "figures",
    "finding_of",
    "newest",
    "newest_of",
    "note_end",
    "note_repair",
    "open_findings",
    "reconcile_due",
    "store",
    "store_unknown",
    "unbalanced_now",
    "waiting",
]

# What does not balance by then is people's business; it stays open in the figures.
DAYS_MAX = 7
# How far the clock may be behind before somebody has to look.
OVERDUE = timedelta(hours=6)
# Once everybody's time to pay is over too, since until then an order may still move.
_DUE = """
SELECT due.item, due.day
  FROM (SELECT item.id AS item, campaign.ended_at,
               floor(extract(epoch FROM %(now)s - campaign.ended_at - %(after)s
                             - campaign.pay_minutes * interval '1 minute') / 86400)::int AS day
          FROM campaigns_campaign campaign
          JOIN campaigns_item item ON item.campaign_id = campaign.id
         WHERE campaign.state = 'ended' AND campaign.ended_at <= %(now)s - %(after)s) due
 WHERE due.day BETWEEN 0 AND %(last)s
   AND NOT EXISTS (SELECT FROM reconciliation_reconciliation done
                    WHERE done.item_id = due.item AND (done.balanced OR done.day >= due.day))
 ORDER BY due.ended_at, due.item
 LIMIT %(limit)s
"""
_NEWEST = """
  FROM (SELECT item.id AS item,
               campaign.ended_at + %(after)s + campaign.pay_minutes * interval '1 minute' AS since
          FROM campaigns_campaign campaign
          JOIN campaigns_item item ON item.campaign_id = campaign.id
         WHERE campaign.state = 'ended' AND campaign.ended_at > %(now)s - interval '30 days') over
  LEFT JOIN LATERAL (SELECT id, balanced FROM reconciliation_reconciliation done
                      WHERE done.item_id = over.item ORDER BY done.day DESC LIMIT 1) latest ON true
"""
_OPEN = f"""
SELECT count(*) FILTER (WHERE NOT latest.balanced),
       count(*) FILTER (WHERE latest.balanced IS NULL AND over.since < %(overdue)s)
{_NEWEST}"""
_UNBALANCED = f"SELECT latest.id {_NEWEST} WHERE NOT latest.balanced"

log = logging.getLogger(__name__)


class Figures(NamedTuple):
    """Items of campaigns that ended within the last month."""

    unbalanced: int
    overdue: int


def reconcile_due(now: datetime, after: timedelta, limit: int = 500) -> int:
    """Compare the books of items whose campaign ended `after` ago; returns how many rows are new.

    Idempotent: one row for each item and day. What does not balance is looked at again on each of
    the next days, as do books that cannot be read. Neither holds the others up.
    """
    with connection.cursor() as cursor:
        values: dict[str, Any] = {"now": now, "after": after, "last": DAYS_MAX, "limit": limit}
        cursor.execute(_DUE, values)
        due = cursor.fetchall()
    return sum(_reconcile(item_id, day, now) for item_id, day in due)


def _reconcile(item_id: int, day: int, now: datetime) -> bool:
    try:
        books = compare(item_id)
    except InventoryError as error:
        # A row, so that it is not first in line for ever.
        log.error("not reconciled: %s", error, extra={"kind": "not_reconciled", "item": item_id})
        books = Books.unreadable()
    except DatabaseError:
        # The warehouse may be away; nothing is said about the books then.
        log.exception("not reconciled", extra={"kind": "not_reconciled", "item": item_id})
        return False
    wanted = Reconciliation(
        item_id=item_id,
        day=day,
        at=now,
        balanced=not books.differences,
        differences=books.differences,
        **books.fields,
    )
    Reconciliation.objects.bulk_create([wanted], ignore_conflicts=True)
    if books.differences:
        log.error(
            "books do not balance: %s",
            books.differences,
            extra={"kind": "unbalanced", "item": item_id},
        )
    return True


def figures(now: datetime, after: timedelta) -> Figures:
    """What is open, and what the clock should have compared long ago. Reads only."""
    with connection.cursor() as cursor:
        values: dict[str, Any] = {"now": now, "after": after, "overdue": now - OVERDUE}
        cursor.execute(_OPEN, values)
        unbalanced, overdue = cursor.fetchone()
    return Figures(unbalanced, overdue)


def unbalanced_now(now: datetime, after: timedelta) -> list[int]:
    """The rows that `figures` counts: an item's newest one, when it does not balance."""
    with connection.cursor() as cursor:
        values: dict[str, Any] = {"now": now, "after": after}
        cursor.execute(_UNBALANCED, values)
        return [pk for (pk,) in cursor.fetchall()]
