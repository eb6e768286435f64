"""Callbacks that were signed and do not fit: kept for people, since money may have moved."""

from datetime import datetime

from django.db import connection

from control_plane.payments.errors import EventReused, Mismatch, PaymentError
from control_plane.payments.events import Event
from control_plane.payments.models import ExceptionKind, PaymentException

# A repeat opens what was resolved: somebody goes on telling it.
_NOTE = """
INSERT INTO payments_paymentexception (provider, event_id, kind, payment_id, type, order_number,
                                       amount_minor, currency, times, first_at, last_at)
VALUES (%(provider)s, %(event_id)s, %(kind)s, %(payment_id)s, %(type)s, %(order_number)s,
        %(amount_minor)s, %(currency)s, 1, %(now)s, %(now)s)
ON CONFLICT (provider, event_id, payment_id, kind) DO UPDATE
   SET times = payments_paymentexception.times + 1, last_at = excluded.last_at, resolved_at = NULL
"""


def note(provider: str, event: Event, error: PaymentError, now: datetime) -> None:
    """One row for each callback, however often it is told."""
    told = event._asdict() | {"payment_id": str(event.payment_id)}
    with connection.cursor() as cursor:
        cursor.execute(_NOTE, told | {"provider": provider, "kind": _kind(error), "now": now})


def _kind(error: PaymentError) -> str:
    if isinstance(error, Mismatch):
        return ExceptionKind(error.field)
    return ExceptionKind.REUSED if isinstance(error, EventReused) else ExceptionKind.UNKNOWN


def open_exceptions() -> int:
    """How many nobody has looked at. Reads only."""
    return PaymentException.objects.filter(resolved_at=None).count()


def resolve(exception_id: int, now: datetime) -> bool:
    """Somebody has looked; False when somebody had before."""
    waiting = PaymentException.objects.filter(pk=exception_id, resolved_at=None)
    return bool(waiting.update(resolved_at=now))
