"""What followed an order or took its place: money, dead letters, webhooks."""

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from control_plane.dead_letters.models import OPEN_STATES, DeadLetter
from control_plane.orders.models import Order
from control_plane.payments.models import (
    EventOutcome,
    Payment,
    PaymentException,
    PaymentState,
    Refund,
    RefundState,
)
from control_plane.support.telling import GOOD, WAITING, WRONG, Event, admin_link
from control_plane.webhooks.models import Delivery, DeliveryState


def amount(minor: int, currency: str) -> str:
    """In the currency's own unit; all of ours have hundredths."""
    return f"{minor / 100:.2f} {currency}"


def money(order: Order, user: Any) -> Iterator[Event]:
    """Payments, what their providers told, refunds, and what did not fit."""
    for payment in Payment.objects.filter(order=order).select_related("refund"):
        link = admin_link(user, payment)
        text = _("%(amount)s by %(provider)s, payment %(payment)s.") % {
            "amount": amount(payment.amount_minor, payment.currency),
            "provider": payment.provider,
            "payment": payment.pk,
        }
        yield Event(payment.created_at, "payments", _("payment begun"), text, link)
        if payment.state == PaymentState.PAID and payment.paid_at is not None:
            yield Event(payment.paid_at, "paid", _("paid"), text, link, GOOD)
        for event in payment.events.all():
            title = f"{_('callback')}: {event.get_outcome_display()}"
            tone = WRONG if event.outcome == EventOutcome.FAILED else ""
            told = f"{event.provider} {event.event_id}, {event.type}"
            yield Event(event.received_at, "call_received", title, told, "", tone)
        refund: Refund | None = getattr(payment, "refund", None)
        if refund is not None:
            yield from _refund(refund, user)
    for one in PaymentException.objects.filter(order_number=order.number):
        title = f"{_('payment exception')}: {one.get_kind_display()}"
        told = _("%(provider)s told %(amount)s, %(times)d times.") % {
            "provider": one.provider,
            "amount": amount(one.amount_minor, one.currency),
            "times": one.times,
        }
        tone = "" if one.resolved_at else WRONG
        yield Event(one.first_at, "report", title, told, admin_link(user, one), tone)


def _refund(refund: Refund, user: Any) -> Iterator[Event]:
    link, why = admin_link(user, refund), str(refund.get_reason_display())
    yield Event(
        refund.created_at, "currency_exchange", _("money is to go back"), why, link, WAITING
    )
    if refund.finished_at is not None:
        is_done = refund.state == RefundState.DONE
        title = _("money went back") if is_done else _("refund failed")
        text = _("After %(attempts)d attempts. %(error)s") % {
            "attempts": refund.attempts,
            "error": refund.last_error,
        }
        tone = GOOD if is_done else WRONG
        yield Event(refund.finished_at, "currency_exchange", title, text, link, tone)


def letters(reservation_id: str, user: Any) -> Iterator[Event]:
    """Its dead letters, with every attempt to mend them."""
    known = DeadLetter.objects.filter(reservation_id=reservation_id)
    for letter in known.prefetch_related("history__by"):
        text = _("%(source)s, partition %(partition)d, offset %(offset)d: %(error)s") % {
            "source": letter.source_name,
            "partition": letter.partition,
            "offset": letter.offset,
            "error": letter.error or letter.get_error_kind_display(),
        }
        tone = WRONG if letter.state in OPEN_STATES else ""
        link = admin_link(user, letter)
        yield Event(letter.created_at, "drafts", _("dead letter"), text, link, tone)
        for entry in letter.history.all():
            title = f"{_('dead letter')}: {entry.get_step_display()}"
            who = f" ({entry.by})" if entry.by else ""
            yield Event(entry.at, "drafts", title, f"{entry.text}{who}", link)


def shopper_of(reservation_id: str) -> str:
    """As its dead letter says; "" when none could be read."""
    letter = DeadLetter.objects.filter(reservation_id=reservation_id).first()
    return letter.shopper if letter else ""


def webhooks(reservation_id: str, user: Any) -> Iterator[Event]:
    """What the merchant was told, with every attempt."""
    known = Delivery.objects.filter(subject=reservation_id)
    for delivery in known.select_related("endpoint").prefetch_related("attempts"):
        link = admin_link(user, delivery)
        title = f"{_('webhook')}: {delivery.get_type_display()}"
        text = _("To %(url)s: %(state)s.") % {
            "url": delivery.endpoint.url,
            "state": delivery.get_state_display(),
        }
        tone = {DeliveryState.PENDING: WAITING, DeliveryState.FAILED: WRONG}.get(
            DeliveryState(delivery.state), ""
        )
        yield Event(delivery.created_at, "webhook", title, text, link, tone)
        for attempt in delivery.attempts.all():
            said = attempt.error or str(attempt.status)
            took = "" if attempt.duration_ms is None else f" ({attempt.duration_ms} ms)"
            is_good = attempt.error == ""
            yield Event(
                attempt.at,
                "outgoing_mail",
                _("webhook, attempt %d") % attempt.number,
                f"{said}{took}",
                link,
                GOOD if is_good else WRONG,
            )
