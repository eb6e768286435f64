"""A payment's way: created, told of by its provider, its money kept or given back.

Nobody else changes a payment or a refund. Locks: payment → pool → the rest; nobody who holds a pool
asks for a payment.
"""

import uuid
from datetime import datetime

from django.db import InterfaceError, OperationalError, connection, transaction

from control_plane.orders import services as orders
from control_plane.orders.models import Order, OrderState
from control_plane.payments import events, exceptions
from control_plane.payments.errors import (
    EventReused,
    Mismatch,
    NotPayable,
    NotTaken,
    PaymentError,
    UnknownOrder,
    UnknownPayment,
)
from control_plane.payments.events import Event
from control_plane.payments.exceptions import open_exceptions, resolve
from control_plane.payments.models import (
    EventOutcome,
    Payment,
    PaymentEvent,
    PaymentState,
    Refund,
)
from control_plane.payments.refunds import due_refunds, perform, retry, stuck_refunds

__all__ = [
    "EventReused",
    "Mismatch",
    "NotPayable",
    "NotTaken",
    "PaymentError",
    "UnknownOrder",
    "UnknownPayment",
    "create_payment",
    "due_refunds",
    "open_exceptions",
    "perform",
    "receive",
    "resolve",
    "retry",
    "stuck_refunds",
]

# A few callbacks run at once, and a row that somebody holds must not keep all of them waiting.
# Landing holds a pool for 0.3 s at most; providers wait for some seconds and send again.
_LIMITS = "SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '3s'"
_KEEP_EVENT = """
INSERT INTO payments_paymentevent (provider, event_id, payment_id, type, outcome, received_at)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (provider, event_id) DO NOTHING
"""


def create_payment(order: Order, provider: str, now: datetime) -> Payment:
    """What the provider is to collect for the order. Idempotent: one for each order and provider.

    Raises NotPayable unless the order can still be paid, or has been through this very payment.
    """
    known = Payment.objects.filter(order=order, provider=provider)
    payment = known.first()
    if payment is not None and payment.state == PaymentState.PAID:
        return payment
    still = Order.objects.filter(pk=order.pk, state=OrderState.UNPAID, pay_by__gt=now)
    if not still.exists():
        raise NotPayable(order.number)
    payment, _ = Payment.objects.get_or_create(
        order=order,
        provider=provider,
        defaults={
            "amount_minor": order.amount_minor,
            "currency": order.currency,
            "created_at": now,
        },
    )
    return payment


def receive(provider: str, event: Event, now: datetime) -> str:
    """Take note of a provider's event, once, and do what follows from it; the outcome.

    A repeat gives the first outcome and changes nothing. Raises UnknownPayment, Mismatch and
    EventReused, and then nothing was changed but that a PaymentException was written; NotTaken when
    the database cannot do it now, and then nothing was changed; Django's errors when it may or may
    not have been.
    """
    is_decided = False
    try:
        with transaction.atomic():
            outcome = _receive(provider, event, now)
            is_decided = True
    except (UnknownPayment, Mismatch, EventReused) as error:
        # After the transaction that was undone.
        exceptions.note(provider, event, error, now)
        raise
    except (InterfaceError, OperationalError) as error:
        if is_decided:
            raise  # it was the commit that has no answer
        raise NotTaken(str(error).strip()) from error
    return outcome


def _receive(provider: str, event: Event, now: datetime) -> str:
    """`receive`, inside its transaction."""
    with connection.cursor() as cursor:
        cursor.execute(_LIMITS)
    payment = _locked(provider, event.payment_id)
    _compare(payment, event)
    known = PaymentEvent.objects.filter(provider=provider, event_id=event.event_id).first()
    if known is not None:
        if known.payment_id != payment.pk:
            raise EventReused(event.event_id)
        return str(known.outcome)
    outcome = _apply(payment, event, now)
    row: list[str | datetime] = [
        provider,
        event.event_id,
        str(payment.pk),
        event.type,
        outcome,
        now,
    ]
    with connection.cursor() as cursor:
        cursor.execute(_KEEP_EVENT, row)
        if not cursor.rowcount:
            # Another payment's callback used it in this moment; what was done here is undone.
            raise EventReused(event.event_id)
    return outcome


def _locked(provider: str, payment_id: uuid.UUID) -> Payment:
    """Callbacks of one payment take turns."""
    ours = Payment.objects.select_for_update(of=("self",), no_key=True).select_related("order")
    payment = ours.filter(pk=payment_id, provider=provider).first()
    if payment is None:
        raise UnknownPayment(payment_id)
    return payment


def _compare(payment: Payment, event: Event) -> None:
    if event.order_number != payment.order.number:
        raise Mismatch("order_number")
    if event.currency != payment.currency:
        raise Mismatch("currency")
    if event.amount_minor != payment.amount_minor:
        raise Mismatch("amount_minor")


def _apply(payment: Payment, event: Event, now: datetime) -> str:
    """What the event leads to, under the payment's lock."""
    if payment.state != PaymentState.PENDING:
        return EventOutcome.KNOWN
    if event.type == events.FAILED:
        return EventOutcome.FAILED
    Payment.objects.filter(pk=payment.pk).update(state=PaymentState.PAID, paid_at=now)
    if orders.pay_order(payment.order_id, now):
        return EventOutcome.PAID
    try:
        orders.order_again(payment.order_id, now)
    except orders.NotOrderedAgain as error:
        Refund.objects.create(payment=payment, reason=error.reason, created_at=now, next_try_at=now)
        return EventOutcome.REFUND
    return EventOutcome.ORDERED_AGAIN
