"""Where merchants hear of their orders, what they are told, and each attempt to tell it."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from control_plane.merchants.models import Merchant

URL_LENGTH_MAX = 500
# Of the answer, for whoever looks for the fault: enough for an error message.
ANSWER_CHARACTERS_MAX = 500
ERROR_CHARACTERS_MAX = 200


class WebhookType(models.TextChoices):
    """What a merchant can be told. PING is asked for by a person and belongs to no order."""

    CONFIRMED = "order.confirmed", _("order confirmed")
    PAID = "order.paid", _("order paid")
    EXPIRED = "order.expired", _("order expired")
    CANCELLED = "order.cancelled", _("order cancelled")
    REJECTED = "order.rejected", _("order rejected")
    PING = "webhook.ping", _("test")


# What an endpoint may choose from.
ORDER_TYPES = tuple(one for one in WebhookType if one != WebhookType.PING)


class OffReason(models.TextChoices):
    """Why an endpoint is off."""

    NONE = "", _("it is on")
    PEOPLE = "people", _("switched off by hand")
    FAILING = "failing", _("failed for days")
    GONE = "gone", _("answered 410 Gone")


class Endpoint(models.Model):
    """An address of a merchant's. It hears of what happens after it was made, while it is on."""

    merchant = models.ForeignKey(
        Merchant,
        on_delete=models.PROTECT,
        related_name="webhook_endpoints",
        verbose_name=_("merchant"),
    )
    url = models.CharField(_("address"), max_length=URL_LENGTH_MAX)
    events = ArrayField(models.CharField(max_length=32), verbose_name=_("events"))
    active = models.BooleanField(_("active"), default=True)
    off_reason = models.CharField(
        _("why it is off"), max_length=8, choices=OffReason.choices, blank=True, default=""
    )
    created_at = models.DateTimeField(_("created at"))
    # Failures in a row, since when, and the pause they earned.
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    failing_since = models.DateTimeField(_("failing since"), null=True)
    not_before = models.DateTimeField(_("not before"), null=True)
    last_delivered_at = models.DateTimeField(_("last delivered at"), null=True)

    class Meta:
        verbose_name = _("webhook endpoint")
        verbose_name_plural = _("webhook endpoints")
        permissions = [
            ("ping_endpoint", "Can send a test to an endpoint"),
            ("rotate_secret", "Can rotate the secret of an endpoint"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "url"],
                name="endpoint_once_per_merchant",
                violation_error_message=_("The merchant has this address already."),
            ),
            models.CheckConstraint(
                condition=models.Q(active=True, off_reason="")
                | models.Q(active=False) & ~models.Q(off_reason=""),
                name="endpoint_off_has_reason",
            ),
        ]

    def __str__(self) -> str:
        return self.url


class EndpointSecret(models.Model):
    """What signs for an endpoint: one, or two while the older one is being replaced."""

    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.CASCADE, related_name="secrets", verbose_name=_("endpoint")
    )
    # As the merchant's library takes it: `whsec_` and base64 of 32 bytes.
    secret = models.CharField(_("secret"), max_length=80)
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("secret")
        verbose_name_plural = _("secrets")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"


class DeliveryState(models.TextChoices):
    """pending → delivered, or → failed after the last attempt; a redelivery makes it pending."""

    PENDING = "pending", _("waiting")
    DELIVERED = "delivered", _("delivered")
    FAILED = "failed", _("failed")


class Delivery(models.Model):
    """One event for one endpoint. `body` is what is sent, the same bytes at every attempt.

    `subject` is the reservation: deliveries of one subject to one endpoint go out in the order of
    their ids.
    """

    endpoint = models.ForeignKey(
        Endpoint,
        on_delete=models.PROTECT,
        related_name="deliveries",
        db_index=False,
        verbose_name=_("endpoint"),
    )
    event_id = models.CharField(_("event id"), max_length=40)
    type = models.CharField(_("type"), max_length=32, choices=WebhookType.choices)
    subject = models.CharField(_("reservation"), max_length=64)
    order_number = models.CharField(_("order number"), max_length=24, blank=True)
    body = models.TextField(_("body"))
    # Of a purchase that is followed (config/tracing.py); it goes out with each attempt.
    traceparent = models.CharField(max_length=55, blank=True, default="", db_default="")
    state = models.CharField(
        _("state"), max_length=10, choices=DeliveryState.choices, default=DeliveryState.PENDING
    )
    attempts_made = models.PositiveIntegerField(_("attempts"), default=0)
    # Of them, those before the latest redelivery: they do not count towards the limit.
    attempts_before = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(_("next try at"))
    # Somebody is sending it until then; once it is over he has died.
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(_("created at"))
    finished_at = models.DateTimeField(_("finished at"), null=True)

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        permissions = [("redeliver_delivery", "Can deliver a webhook again")]
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "event_id"], name="delivery_once_per_endpoint"
            )
        ]
        indexes = [
            models.Index(
                fields=["endpoint", "next_try_at", "id"],
                condition=models.Q(state="pending"),
                name="delivery_due",
            ),
            # How many of an endpoint's are under way: few, whatever waits.
            models.Index(
                fields=["endpoint"],
                condition=models.Q(lease_until__isnull=False),
                name="delivery_leased",
            ),
            # What an earlier event of the same order is asked by, and people search by it.
            models.Index(fields=["subject"], name="delivery_of_subject"),
            models.Index(fields=["created_at"], name="delivery_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} → {self.endpoint}"


class Attempt(models.Model):
    """A request that was made, or perhaps made; written after the answer."""

    delivery = models.ForeignKey(
        Delivery, on_delete=models.CASCADE, related_name="attempts", verbose_name=_("delivery")
    )
    number = models.PositiveIntegerField(_("attempt"))
    at = models.DateTimeField(_("at"))
    duration_ms = models.PositiveIntegerField(_("milliseconds"), null=True)
    status = models.PositiveSmallIntegerField(_("status"), null=True)
    error = models.CharField(_("error"), max_length=ERROR_CHARACTERS_MAX, blank=True)
    answer = models.CharField(_("answer"), max_length=ANSWER_CHARACTERS_MAX, blank=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"#{self.number}"
