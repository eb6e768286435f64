"""Messages that could not become what they ask for, and every attempt to mend that."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Source(models.TextChoices):
    """Where the message stood: what it asks for, and how it is read."""

    RESERVATIONS = "reservations", _("topic of reservations")
    OUTBOX = "outbox", _("outbox of a shard")
    ORDER_EVENTS = "order_events", _("topic of order events")
    OTHER = "other", _("another topic")


class ErrorKind(models.TextChoices):
    """Why the newest attempt, or before it the consumer, could not do it."""

    INVALID = "invalid", _("not understood")
    REFUSED = "refused", _("refused by the database")
    UNAVAILABLE = "unavailable", _("database did not answer in time")
    NO_RETRY = "no_retry", _("nothing here can retry it")


class LetterState(models.TextChoices):
    """pending → done | exception; a person: exception → pending, either → discarded."""

    PENDING = "pending", _("waits for an attempt")
    DONE = "done", _("done")
    EXCEPTION = "exception", _("exception order")
    DISCARDED = "discarded", _("discarded")


OPEN_STATES = (LetterState.PENDING, LetterState.EXCEPTION)


class DeadLetter(models.Model):
    """A row of the retry table. Only `services` writes it.

    Its place is the idempotency key: where the message stood that nobody could use or, where that
    was no topic, where the dead letter stands. With the digest, because a topic that was made anew
    counts from 0 again; with the consumer, because each of a topic may refuse a message by itself.
    """

    source = models.CharField(_("source"), max_length=16, choices=Source.choices)
    # Topic, or the key of the outbox.
    source_name = models.CharField(_("name of the source"), max_length=249)
    topic = models.CharField(_("topic"), max_length=249)
    partition = models.PositiveIntegerField(_("partition"))
    offset = models.PositiveBigIntegerField(_("offset"))
    digest = models.CharField(_("SHA-256"), max_length=64)
    # Who could not use an order event; empty for a reservation, which has one reader.
    consumer = models.CharField(_("consumer"), max_length=32, blank=True, default="", db_default="")
    payload = models.BinaryField(_("payload"))
    # Of what could be read when it came; empty otherwise.
    reservation_id = models.CharField(_("reservation"), max_length=64, blank=True)
    # Not a foreign key: a message may name an item that there is not.
    item_number = models.BigIntegerField(_("item"), null=True)
    shopper = models.CharField(_("shopper"), max_length=64, blank=True)
    error_kind = models.CharField(_("kind of error"), max_length=16, choices=ErrorKind.choices)
    error = models.CharField(_("error"), max_length=500, blank=True)
    state = models.CharField(
        _("state"), max_length=10, choices=LetterState.choices, default=LetterState.PENDING
    )
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    next_at = models.DateTimeField(_("next attempt at"))
    # `confirmed`, or the reason why it was rejected, once it is decided.
    outcome = models.CharField(_("outcome"), max_length=16, blank=True)
    created_at = models.DateTimeField(_("created at"))
    finished_at = models.DateTimeField(_("finished at"), null=True)

    class Meta:
        verbose_name = _("dead letter")
        verbose_name_plural = _("dead letters")
        permissions = [
            ("retry_deadletter", "Can retry a dead letter now"),
            ("discard_deadletter", "Can discard a dead letter"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["topic", "partition", "offset", "digest", "consumer"],
                name="deadletter_once",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=OPEN_STATES, finished_at=None)
                | models.Q(finished_at__isnull=False) & ~models.Q(state__in=OPEN_STATES),
                name="deadletter_finished_has_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_at"], condition=models.Q(state="pending"), name="deadletter_due"
            ),
            models.Index(fields=["state"], name="deadletter_state"),
            models.Index(fields=["reservation_id"], name="deadletter_reservation"),
            models.Index(
                fields=["item_number"],
                condition=models.Q(state__in=OPEN_STATES),
                name="deadletter_open_of_item",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


class Step(models.TextChoices):
    """What happened to a dead letter."""

    FAILED = "failed", _("attempt failed")
    WAITED = "waited", _("attempt had no answer")
    DONE = "done", _("attempt succeeded")
    EXCEPTION = "exception", _("became an exception order")
    ASKED = "asked", _("retry asked for")
    DISCARDED = "discarded", _("discarded")


class HistoryEntry(models.Model):
    """What happened to it, and who did it. A trigger refuses UPDATE and DELETE."""

    letter = models.ForeignKey(
        DeadLetter, on_delete=models.PROTECT, related_name="history", verbose_name=_("dead letter")
    )
    at = models.DateTimeField(_("at"))
    step = models.CharField(_("step"), max_length=10, choices=Step.choices)
    # Which attempt; 0 for what a person did.
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    text = models.CharField(_("what"), max_length=500, blank=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("by"),
    )

    class Meta:
        verbose_name = _("history entry")
        verbose_name_plural = _("history")

    def __str__(self) -> str:
        return f"{self.letter_id} {self.step}"
