"""What the sale tells the warehouse about orders, and what the warehouse answers (DESIGN §4.9).

Orders and shelves stand in two databases; messages that are repeated until they have arrived, and
counted once, make them agree. The order courier carries them.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection
from django.db.models import F, QuerySet
from django.utils import timezone

from control_plane.orders.landed import Landed
from control_plane.orders.models import OrderEvent

# An event that could not be sent is tried again after this time, by itself.
ASIDE = timedelta(minutes=5)
PROBLEM_LENGTH_MAX = 200

_UNSENT = """
WITH event AS (
    SELECT id, order_id, reservation_id, type, created_at FROM orders_orderevent
     WHERE sent_at IS NULL AND discarded_at IS NULL
       AND (aside_until IS NULL OR aside_until <= now())
       AND id <> ALL(%(without)s)
     ORDER BY id LIMIT %(most)s
)
SELECT event.id AS number, event.type, event.created_at,
       ours.reservation_id, ours.item_id, ours.shopper, ours.qty, ours.id, ours.state, '',
       item.sku, ours.amount_minor, ours.currency, ours.created_at, ours.pay_by,
       replaced.reservation_id
  FROM event
  JOIN orders_order ours ON ours.id = event.order_id
  JOIN campaigns_item item ON item.id = ours.item_id
  LEFT JOIN orders_order replaced ON replaced.id = ours.replaces_id
UNION ALL
SELECT event.id, event.type, event.created_at,
       refused.reservation_id, refused.item_id, refused.shopper, refused.qty, NULL, '',
       refused.reason, '', 0, '', refused.created_at, NULL, NULL
  FROM event JOIN orders_rejection refused ON refused.reservation_id = event.reservation_id
 ORDER BY number
"""
# Sorted, so that two batches with the same answers cannot wait for each other.
_RECORD = """
INSERT INTO orders_stockanswer (order_id, kind, qty, at)
SELECT order_id, kind, qty, at
  FROM unnest(%s::bigint[], %s::text[], %s::int[], %s::timestamptz[])
       AS one (order_id, kind, qty, at)
 ORDER BY order_id, kind
ON CONFLICT DO NOTHING
"""
# What ended or was made long enough ago for the warehouse to have answered, and it has not.
_UNANSWERED = """
SELECT count(*) FROM (
    SELECT FROM orders_order ours
     WHERE ours.created_at > %(after)s AND ours.created_at <= %(before)s
       AND NOT EXISTS (SELECT FROM orders_stockanswer answer
                        WHERE answer.order_id = ours.id AND answer.kind = 'deducted')
    UNION ALL
    SELECT FROM orders_orderevent event
     WHERE event.created_at > %(after)s AND event.created_at <= %(before)s
       AND event.type IN ('order.expired', 'order.cancelled')
       AND NOT EXISTS (SELECT FROM orders_stockanswer answer
                        WHERE answer.order_id = event.order_id AND answer.kind = 'restored')
) missing
"""


# The same for a watcher that comes again and again: behind a mark of each table, so that it looks
# at what is new and at nothing twice. Ids are given before the commit, but nothing is under way for
# as long as a warehouse may take.
_UNANSWERED_SINCE = """
WITH looked AS (
    SELECT 'order' AS about, ours.id,
           EXISTS (SELECT FROM orders_stockanswer answer
                    WHERE answer.order_id = ours.id AND answer.kind = 'deducted') AS answered
      FROM orders_order ours
     WHERE ours.id > %(order)s AND ours.created_at > %(after)s AND ours.created_at <= %(before)s
    UNION ALL
    SELECT 'event', event.id,
           EXISTS (SELECT FROM orders_stockanswer answer
                    WHERE answer.order_id = event.order_id AND answer.kind = 'restored')
      FROM orders_orderevent event
     WHERE event.id > %(event)s AND event.created_at > %(after)s AND event.created_at <= %(before)s
       AND event.type IN ('order.expired', 'order.cancelled')
)
SELECT about, count(*) FILTER (WHERE NOT answered),
       coalesce(min(id) FILTER (WHERE NOT answered) - 1, max(id))
  FROM looked GROUP BY about
"""
# What the order consumer announces itself, for those that it did not land.
_TELL_LANDED = """
INSERT INTO orders_orderevent (order_id, type, created_at) VALUES (%s, 'order.created', %s)
ON CONFLICT DO NOTHING
"""
_TELL_REJECTED = """
INSERT INTO orders_orderevent (reservation_id, type, created_at)
VALUES (%s, 'reservation.rejected', %s)
ON CONFLICT DO NOTHING
"""


class Unsent(NamedTuple):
    """An event of the outbox with the order, or the rejection, it is about, as it stands now.

    `replaced`: the reservation that the shopper knows, where late money made the order.
    """

    id: int
    type: str
    at: datetime
    order: Landed
    replaced: str | None = None


class Mark(NamedTuple):
    """The last order and the last event up to which everything is answered."""

    order: int = 0
    event: int = 0


class Answer(NamedTuple):
    """What the warehouse says it did for an order; `kind` is one of AnswerKind."""

    order_id: int
    kind: str
    qty: int
    at: datetime


def tell_landed(landed: Landed) -> None:
    """Have the courier announce what no order consumer decided; once, whoever repeats it.

    Order or rejection: the event is what the order consumer's would be, byte for byte.
    """
    with connection.cursor() as cursor:
        if landed.order_id is None:
            cursor.execute(_TELL_REJECTED, [landed.reservation_id, landed.created_at])
        else:
            cursor.execute(_TELL_LANDED, [landed.order_id, landed.created_at])


def unanswered_since(mark: Mark, after: datetime, before: datetime) -> tuple[int, Mark]:
    """As `unanswered`, of what is behind the mark; and the mark for the next look. Reads only."""
    with connection.cursor() as cursor:
        cursor.execute(_UNANSWERED_SINCE, {**mark._asdict(), "after": after, "before": before})
        rows = cursor.fetchall()
    seen = {about: last for about, _, last in rows}
    return sum(count for _, count, _ in rows), mark._replace(**seen)


def unsent_events(limit: int, without: Iterable[int] = ()) -> list[Unsent]:
    """Events that Kafka may not have yet, oldest first; not those that are put aside for now."""
    with connection.cursor() as cursor:
        cursor.execute(_UNSENT, {"most": limit, "without": list(without)})
        return [
            Unsent(pk, event, at, Landed._make((*order, False, False)), replaced)
            for pk, event, at, *order, replaced in cursor.fetchall()
        ]


def mark_sent(ids: Iterable[int]) -> int:
    """Kafka has them; returns how many it had not before. Idempotent."""
    waiting = OrderEvent.objects.filter(pk__in=list(ids), sent_at=None, discarded_at=None)
    return waiting.update(sent_at=timezone.now())


def put_aside(event_id: int, problem: str) -> None:
    """Let the others pass one that cannot be sent; it comes again after ASIDE."""
    waiting = OrderEvent.objects.filter(pk=event_id, sent_at=None)
    storable = problem.replace("\0", "\ufffd")[:PROBLEM_LENGTH_MAX]
    until = timezone.now() + ASIDE
    waiting.update(aside_until=until, problem=storable, attempts=F("attempts") + 1)


def events_aside() -> int:
    """How many events the courier has put aside and not sent since. Reads only."""
    return aside().count()


def aside() -> QuerySet[OrderEvent]:
    """What the courier put aside and nobody has sent or given up since."""
    return OrderEvent.objects.filter(sent_at=None, discarded_at=None, aside_until__isnull=False)


def retry_event(event_id: int, now: datetime) -> bool:
    """Have the courier try it at its next turn; False when it does not wait any more."""
    return bool(aside().filter(pk=event_id).update(aside_until=now))


def discard_event(event_id: int, now: datetime) -> bool:
    """Give it up: neither warehouse nor merchant hears of it. False when it does not wait.

    The order or rejection stands. Conditional, so that of a courier who marks it sent and a person
    who gives it up one is right.
    """
    return bool(aside().filter(pk=event_id).update(discarded_at=now))


def record_answers(answers: Sequence[Answer]) -> int:
    """Keep the warehouse's answers; returns how many are new. A repeat changes nothing."""
    if not answers:
        return 0
    columns = [list(column) for column in zip(*answers, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, columns)
        return int(cursor.rowcount)


def unanswered(after: datetime, before: datetime) -> int:
    """Deductions and restorations of that time the warehouse has not answered. Reads only."""
    with connection.cursor() as cursor:
        cursor.execute(_UNANSWERED, {"after": after, "before": before})
        return int(cursor.fetchone()[0])
