"""Orders, the reservations that could not become one, and the append-only ledger."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns.models import Item


class OrderState(models.TextChoices):
    """A row is CONFIRMED from its insertion on; the state says what became of the payment."""

    UNPAID = "unpaid", _("unpaid")
    PAID = "paid", _("paid")
    EXPIRED = "expired", _("expired")
    CANCELLED = "cancelled", _("cancelled")


LIVE_STATES = (OrderState.UNPAID, OrderState.PAID)


class Order(models.Model):
    """A confirmed reservation. Only `services` inserts it or changes its state.

    `item` carries no database constraint: it is checked once a batch in `landing.sql`, and a
    foreign key check a row is the dearest part of landing an order.
    """

    reservation_id = models.CharField(_("reservation"), max_length=64)
    item = models.ForeignKey(
        Item,
        on_delete=models.PROTECT,
        related_name="orders",
        db_constraint=False,
        db_index=False,
        verbose_name=_("item"),
    )
    shard = models.PositiveSmallIntegerField(_("shard"))
    epoch = models.PositiveIntegerField(_("epoch"))
    shopper = models.CharField(_("shopper"), max_length=64)
    qty = models.PositiveIntegerField(_("quantity"))
    amount_minor = models.PositiveBigIntegerField(_("amount in minor units"))
    currency = models.CharField(_("currency"), max_length=3)
    state = models.CharField(
        _("state"), max_length=10, choices=OrderState.choices, default=OrderState.UNPAID
    )
    reserved_at = models.DateTimeField(_("reserved at"))
    created_at = models.DateTimeField(_("created at"))
    pay_by = models.DateTimeField(_("pay by"))
    # Of an order that was made of the money for one that had expired.
    replaces = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.PROTECT,
        related_name="successors",
        db_constraint=False,
        db_index=False,
        verbose_name=_("replaces"),
    )

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        permissions = [
            ("cancel_order", "Can cancel an unpaid order"),
            ("view_story", "Can see the whole story of a purchase"),
        ]
        indexes = [
            models.Index(fields=["item", "shopper"], name="order_item_shopper"),
            # Whose time to pay is over: asked every second. It only grows at its end, so it costs
            # landing next to nothing.
            models.Index(
                fields=["pay_by"],
                condition=models.Q(state=OrderState.UNPAID),
                name="order_unpaid_until",
            ),
        ]
        constraints = [
            # Not `unique=True`: that would add a second index, for LIKE, to every landed row.
            models.UniqueConstraint(fields=["reservation_id"], name="order_once_per_reservation"),
            models.CheckConstraint(condition=models.Q(qty__gte=1), name="order_qty_positive"),
            # Partial: nearly all rows replace nothing, and landing pays for no index of them.
            models.UniqueConstraint(
                fields=["replaces"],
                condition=models.Q(replaces__isnull=False),
                name="order_replaced_once",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """What the shopper sees."""
        return f"S{self.pk:010d}"


class RejectionReason(models.TextChoices):
    """Why a RESERVED did not become an order. Zero rows in any run without a failover."""

    OVER_GRANTED = "over_granted", _("over granted")
    OVER_LIMIT = "over_limit", _("over limit")
    NO_ALLOCATION = "no_allocation", _("no allocation")
    CLOSED_EPOCH = "closed_epoch", _("closed epoch")
    # Never by landing: a person gave a dead letter up.
    DISCARDED = "discarded", _("discarded")


class Rejection(models.Model):
    """A reservation that PostgreSQL refused, with the reason; decided once, like an order."""

    reservation_id = models.CharField(_("reservation"), max_length=64, primary_key=True)
    item_id = models.BigIntegerField(_("item"))
    shard = models.PositiveSmallIntegerField(_("shard"))
    epoch = models.PositiveIntegerField(_("epoch"))
    shopper = models.CharField(_("shopper"), max_length=64)
    qty = models.PositiveIntegerField(_("quantity"))
    reason = models.CharField(_("reason"), max_length=16, choices=RejectionReason.choices)
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("rejection")
        verbose_name_plural = _("rejections")
        # Every new epoch asks for those of its shard.
        indexes = [models.Index(fields=["item_id", "shard"], name="rejection_of_shard")]

    def __str__(self) -> str:
        return self.reservation_id


class LedgerKind(models.TextChoices):
    """CONFIRM takes units for an order, RETURN gives them back to the pool."""

    CONFIRM = "confirm", _("confirm")
    RETURN = "return", _("return")


class LedgerEntry(models.Model):
    """At most one CONFIRM and one RETURN per order. A trigger refuses UPDATE and DELETE."""

    pk = models.CompositePrimaryKey("order_id", "kind")
    order_id = models.BigIntegerField(_("order"))
    kind = models.CharField(_("kind"), max_length=8, choices=LedgerKind.choices)
    item_id = models.BigIntegerField(_("item"))
    qty = models.PositiveIntegerField(_("quantity"))
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger entries")

    def __str__(self) -> str:
        return f"{self.order_id} {self.kind}"


class EventType(models.TextChoices):
    """What happens to an order after it was landed, and what no order consumer has decided."""

    CREATED = "order.created", _("created")
    PAID = "order.paid", _("paid")
    EXPIRED = "order.expired", _("expired")
    CANCELLED = "order.cancelled", _("cancelled")
    REJECTED = "reservation.rejected", _("rejected")


class OrderEvent(models.Model):
    """The outbox of topic `order-events`: written with the change, sent by the order courier.

    The order consumer announces what it decides itself, so that has no row here. An event is about
    an order or, without one, about a reservation that was rejected.
    """

    order_id = models.BigIntegerField(_("order"), null=True)
    reservation_id = models.CharField(_("reservation"), max_length=64, null=True)
    type = models.CharField(_("type"), max_length=24, choices=EventType.choices)
    created_at = models.DateTimeField(_("created at"))
    sent_at = models.DateTimeField(_("sent at"), null=True)
    # What could not be sent while the others could, and why: put aside until then, tried again.
    aside_until = models.DateTimeField(_("put aside until"), null=True)
    problem = models.CharField(_("problem"), max_length=200, blank=True, default="", db_default="")
    # How often it was put aside; a person gave it up, and nobody will hear of it.
    attempts = models.PositiveIntegerField(_("attempts"), default=0, db_default=0)
    discarded_at = models.DateTimeField(_("discarded at"), null=True)

    class Meta:
        verbose_name = _("order event")
        verbose_name_plural = _("order events")
        permissions = [
            ("retry_orderevent", "Can have an order event that was put aside sent at once"),
            ("discard_orderevent", "Can give up an order event that cannot be sent"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["order_id", "type"], name="orderevent_once_per_order"),
            models.UniqueConstraint(
                fields=["reservation_id"],
                condition=models.Q(reservation_id__isnull=False),
                name="orderevent_once_per_rejection",
            ),
            models.CheckConstraint(
                condition=models.Q(order_id__isnull=False, reservation_id=None)
                | models.Q(order_id=None, reservation_id__isnull=False),
                name="orderevent_about_one",
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"],
                condition=models.Q(sent_at=None),
                name="orderevent_not_sent",
            ),
            # What people look at: none, or a few of a table as large as that of the orders.
            models.Index(
                fields=["aside_until"],
                condition=models.Q(aside_until__isnull=False),
                name="orderevent_aside",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.order_id or self.reservation_id} {self.type}"


class AnswerKind(models.TextChoices):
    """What the warehouse says it did."""

    DEDUCTED = "deducted", _("deducted")
    RESTORED = "restored", _("restored")


class StockAnswer(models.Model):
    """The warehouse's answer, kept beside the orders: at most one of each kind per order.

    A trigger refuses UPDATE and DELETE.
    """

    pk = models.CompositePrimaryKey("order_id", "kind")
    order_id = models.BigIntegerField(_("order"))
    kind = models.CharField(_("kind"), max_length=8, choices=AnswerKind.choices)
    qty = models.PositiveIntegerField(_("quantity"))
    at = models.DateTimeField(_("done at"))

    class Meta:
        verbose_name = _("answer of the warehouse")
        verbose_name_plural = _("answers of the warehouse")

    def __str__(self) -> str:
        return f"{self.order_id} {self.kind}"


class HoldRelease(models.Model):
    """A reservation whose shard is yet to hear that it counts no more against its shopper's limit.

    Of an order that ended or, without an order, of a rejection. Until `told_at` the shard of
    `epoch`, which was armed then, certainly counts it as it was.
    """

    reservation_id = models.CharField(_("reservation"), max_length=64, primary_key=True)
    order = models.OneToOneField(
        Order,
        null=True,
        on_delete=models.PROTECT,
        related_name="release",
        verbose_name=_("order"),
    )
    item_id = models.BigIntegerField(_("item"))
    shard = models.PositiveSmallIntegerField(_("shard"))
    shopper = models.CharField(_("shopper"), max_length=64)
    created_at = models.DateTimeField(_("created at"))
    epoch = models.PositiveIntegerField(_("epoch"), null=True)
    # Before the shard is told; whether it heard is not known from here on.
    told_at = models.DateTimeField(_("told at"), null=True)
    released_at = models.DateTimeField(_("released at"), null=True)

    class Meta:
        verbose_name = _("release of a hold")
        verbose_name_plural = _("releases of holds")
        indexes = [
            models.Index(
                fields=["created_at"],
                condition=models.Q(released_at=None),
                name="holdrelease_not_released",
            )
        ]

    def __str__(self) -> str:
        return self.reservation_id


class FollowedReservation(models.Model):
    """A reservation that was followed (switch `trace_sampling`): its trace and its way in Kafka."""

    reservation_id = models.CharField(_("reservation"), max_length=64, primary_key=True)
    trace_id = models.CharField(_("trace"), max_length=32)
    outbox = models.CharField(_("outbox entry"), max_length=64)
    topic = models.CharField(_("topic"), max_length=100)
    partition = models.PositiveIntegerField(_("partition"))
    offset = models.PositiveBigIntegerField(_("offset"))
    noted_at = models.DateTimeField(_("noted at"))

    class Meta:
        verbose_name = _("followed reservation")
        verbose_name_plural = _("followed reservations")
        indexes = [
            models.Index(fields=["trace_id"], name="followed_by_trace"),
            models.Index(fields=["noted_at"], name="followed_by_age"),
        ]

    def __str__(self) -> str:
        return self.reservation_id


class RelayedTopic(models.Model):
    """A topic that the relays fill: by its id it is told from another one of the same name."""

    name = models.CharField(_("topic"), max_length=255, primary_key=True)
    topic_id = models.CharField(_("topic id"), max_length=64)
    since = models.DateTimeField(_("since"))

    class Meta:
        verbose_name = _("relayed topic")
        verbose_name_plural = _("relayed topics")

    def __str__(self) -> str:
        return self.name


class DatabaseIntent(models.Model):
    """A reservation that PostgreSQL itself took while it was the stock source: the outbox.

    `value` is the Kafka message as the gateway wrote it; it goes the same way as one from a shard.
    """

    reservation_id = models.CharField(_("reservation"), max_length=64)
    item_id = models.BigIntegerField(_("item"))
    shard = models.PositiveSmallIntegerField(_("shard"))
    epoch = models.PositiveIntegerField(_("epoch"))
    shopper = models.CharField(_("shopper"), max_length=64)
    qty = models.PositiveIntegerField(_("quantity"))
    value = models.TextField(_("message"))
    created_at = models.DateTimeField(_("created at"))
    relayed_at = models.DateTimeField(_("relayed at"), null=True)

    class Meta:
        verbose_name = _("reservation in the database")
        verbose_name_plural = _("reservations in the database")
        constraints = [
            models.UniqueConstraint(
                fields=["reservation_id"], name="databaseintent_once_per_reservation"
            ),
            models.CheckConstraint(
                condition=models.Q(qty__gte=1), name="databaseintent_qty_positive"
            ),
        ]
        indexes = [
            models.Index(fields=["item_id", "shopper"], name="databaseintent_item_shopper"),
            models.Index(
                fields=["id"],
                condition=models.Q(relayed_at=None),
                name="databaseintent_not_relayed",
            ),
        ]

    def __str__(self) -> str:
        return self.reservation_id
