"""Payments, what providers said about them, and money that goes back."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from control_plane.orders.models import Order


class PaymentState(models.TextChoices):
    """pending → paid; only `services` moves a payment. Money that goes back has a Refund."""

    PENDING = "pending", _("pending")
    PAID = "paid", _("paid")


class Payment(models.Model):
    """What a provider is to collect for one order; its id is what providers call it by."""

    id = models.UUIDField(_("payment"), primary_key=True, default=uuid.uuid4, editable=False)
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="payments", verbose_name=_("order")
    )
    provider = models.CharField(_("provider"), max_length=32)
    amount_minor = models.PositiveBigIntegerField(_("amount in minor units"))
    currency = models.CharField(_("currency"), max_length=3)
    state = models.CharField(
        _("state"), max_length=8, choices=PaymentState.choices, default=PaymentState.PENDING
    )
    created_at = models.DateTimeField(_("created at"))
    paid_at = models.DateTimeField(_("paid at"), null=True)

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        constraints = [
            models.UniqueConstraint(
                fields=["order", "provider"], name="payment_once_per_order_and_provider"
            ),
            models.CheckConstraint(
                condition=models.Q(state="pending", paid_at=None)
                | models.Q(state="paid", paid_at__isnull=False),
                name="payment_paid_has_time",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class EventOutcome(models.TextChoices):
    """What a callback led to, once and for ever."""

    PAID = "paid", _("order paid")
    ORDERED_AGAIN = "ordered_again", _("ordered again")
    REFUND = "refund", _("money goes back")
    KNOWN = "known", _("was paid already")
    FAILED = "failed", _("payment failed")


class PaymentEvent(models.Model):
    """A callback that was accepted. A trigger refuses UPDATE and DELETE.

    A provider's event id names one of them for ever: what comes again changes nothing.
    """

    provider = models.CharField(_("provider"), max_length=32)
    event_id = models.CharField(_("event id"), max_length=64)
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, related_name="events", verbose_name=_("payment")
    )
    type = models.CharField(_("type"), max_length=32)
    outcome = models.CharField(_("outcome"), max_length=16, choices=EventOutcome.choices)
    received_at = models.DateTimeField(_("received at"))

    class Meta:
        verbose_name = _("callback")
        verbose_name_plural = _("callbacks")
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "event_id"], name="paymentevent_once_per_provider"
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.event_id}"


class ExceptionKind(models.TextChoices):
    """Why a signed callback changed nothing."""

    AMOUNT = "amount_minor", _("another amount")
    CURRENCY = "currency", _("another currency")
    ORDER = "order_number", _("another order")
    UNKNOWN = "not_found", _("unknown payment")
    REUSED = "event_reused", _("event id of another payment")


class PaymentException(models.Model):
    """A callback its provider signed and that does not fit: money may have moved, nothing here did.

    What is told again counts in its row. It is open until a person has looked.
    """

    provider = models.CharField(_("provider"), max_length=32)
    event_id = models.CharField(_("event id"), max_length=64)
    kind = models.CharField(_("kind"), max_length=16, choices=ExceptionKind.choices)
    # As told; there need be no such payment.
    payment_id = models.UUIDField(_("payment"))
    type = models.CharField(_("type"), max_length=32)
    order_number = models.CharField(_("order number"), max_length=24)
    amount_minor = models.PositiveBigIntegerField(_("amount in minor units"))
    currency = models.CharField(_("currency"), max_length=3)
    times = models.PositiveIntegerField(_("times told"), default=1)
    first_at = models.DateTimeField(_("first told at"))
    last_at = models.DateTimeField(_("last told at"))
    resolved_at = models.DateTimeField(_("resolved at"), null=True)

    class Meta:
        verbose_name = _("payment exception")
        verbose_name_plural = _("payment exceptions")
        permissions = [("resolve_paymentexception", "Can close a payment exception")]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "event_id", "payment_id", "kind"],
                name="paymentexception_once",
            )
        ]
        indexes = [
            models.Index(
                fields=["first_at"],
                condition=models.Q(resolved_at=None),
                name="paymentexception_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.event_id}"


class RefundState(models.TextChoices):
    """due → done, or → failed when the provider refuses or too many tries were in vain."""

    DUE = "due", _("due")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")


class RefundReason(models.TextChoices):
    """Why the money bought nothing: `orders.services.Refused`."""

    CANCELLED = "cancelled", _("the order was cancelled")
    ALREADY_PAID = "already_paid", _("the order was paid already")
    NO_UNIT = "no_unit", _("no unit is left")
    OVER_LIMIT = "over_limit", _("over the shopper's limit")
    MAY_HOLD = "may_hold", _("the shopper may have bought again")
    SETTLED = "settled", _("the campaign is settled")


class Refund(models.Model):
    """The whole money of a payment, on its way back. The id is the provider's idempotency key."""

    id = models.UUIDField(_("refund"), primary_key=True, default=uuid.uuid4, editable=False)
    payment = models.OneToOneField(
        Payment, on_delete=models.PROTECT, related_name="refund", verbose_name=_("payment")
    )
    reason = models.CharField(_("reason"), max_length=16, choices=RefundReason.choices)
    state = models.CharField(
        _("state"), max_length=8, choices=RefundState.choices, default=RefundState.DUE
    )
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    next_try_at = models.DateTimeField(_("next try at"))
    last_error = models.CharField(_("last error"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("created at"))
    finished_at = models.DateTimeField(_("finished at"), null=True)

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        permissions = [("retry_refund", "Can try a failed refund again")]
        indexes = [
            models.Index(fields=["next_try_at"], condition=models.Q(state="due"), name="refund_due")
        ]

    def __str__(self) -> str:
        return str(self.pk)


class DemoRefund(models.Model):
    """The demo provider's own books: what it has given back, once for each key."""

    key = models.UUIDField(primary_key=True)
    payment = models.UUIDField(unique=True)
    amount_minor = models.PositiveBigIntegerField()
    currency = models.CharField(max_length=3)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = _("refund of the demo provider")
        verbose_name_plural = _("refunds of the demo provider")

    def __str__(self) -> str:
        return str(self.key)
