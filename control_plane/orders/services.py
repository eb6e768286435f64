"""What may be done with orders. Nobody else inserts one or changes its state."""

from collections.abc import Collection

from django.db import connection

from control_plane.orders.database import (
    REQUESTS_MAX,
    EpochNotSelling,
    NotTaken,
    PerhapsHeld,
    Request,
    database_intents,
    forget_decided_intents,
    held_quantity,
    is_database_drained,
    mark_relayed,
    note_relayed_topic,
    relay_again,
    relayed_topic,
    reserve,
)
from control_plane.orders.ends import (
    begin_releases,
    end_order,
    expire_due,
    mark_released,
    overdue,
    pending_releases,
)
from control_plane.orders.followed import FollowedRow, forget_followed, note_followed
from control_plane.orders.intent import BadIntent
from control_plane.orders.intent import fields_of as intent_fields
from control_plane.orders.intent import quick as quick_intent
from control_plane.orders.intent import read as read_intent
from control_plane.orders.intent import read_fields as read_intent_fields
from control_plane.orders.landed import Intent, Landed
from control_plane.orders.landing import PAY_WITHIN, land
from control_plane.orders.line import BadLine
from control_plane.orders.line import read as read_line
from control_plane.orders.messages import (
    Answer,
    Mark,
    Unsent,
    aside,
    discard_event,
    events_aside,
    mark_sent,
    put_aside,
    record_answers,
    retry_event,
    tell_landed,
    unanswered,
    unanswered_since,
    unsent_events,
)
from control_plane.orders.paying import NotOrderedAgain, Refused, order_again, pay_order
from control_plane.orders.rejecting import reject
from control_plane.orders.restored import pass_over_order_numbers

__all__ = [
    "PAY_WITHIN",
    "REQUESTS_MAX",
    "Answer",
    "BadIntent",
    "BadLine",
    "EpochNotSelling",
    "FollowedRow",
    "Intent",
    "Landed",
    "Mark",
    "NotOrderedAgain",
    "NotTaken",
    "PerhapsHeld",
    "Refused",
    "Request",
    "Unsent",
    "aside",
    "begin_releases",
    "database_intents",
    "decided",
    "discard_event",
    "end_order",
    "events_aside",
    "expire_due",
    "forget_decided_intents",
    "forget_followed",
    "held_quantity",
    "intent_fields",
    "is_database_drained",
    "land",
    "mark_relayed",
    "mark_released",
    "mark_sent",
    "note_followed",
    "note_relayed_topic",
    "order_again",
    "overdue",
    "pass_over_order_numbers",
    "pay_order",
    "pending_releases",
    "put_aside",
    "quick_intent",
    "read_intent",
    "read_intent_fields",
    "read_line",
    "record_answers",
    "reject",
    "relay_again",
    "relayed_topic",
    "reserve",
    "retry_event",
    "tell_landed",
    "unanswered",
    "unanswered_since",
    "unsent_events",
]


def decided(reservation_ids: Collection[str]) -> set[str]:
    """Those of the reservations that became an order or a rejection. Reads only."""
    if not reservation_ids:
        return set()
    wanted = list(reservation_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT reservation_id FROM orders_order WHERE reservation_id = ANY(%s)
            UNION ALL
            SELECT reservation_id FROM orders_rejection WHERE reservation_id = ANY(%s)
            """,
            [wanted, wanted],
        )
        return {reservation_id for (reservation_id,) in cursor.fetchall()}
