"""Campaigns and the items they sell."""

from datetime import timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns.local_time import check_zone, default_zone
from control_plane.campaigns.steps import CampaignStep as CampaignStep
from control_plane.campaigns.steps import StepKind as StepKind
from control_plane.merchants.models import Merchant

# Ten thousand million in a currency of two decimals: what is above is a typing error.
PRICE_MINOR_MAX = 10**12
LIMIT_PER_SHOPPER_MAX = 1000
# What is longer is a typing error in the year or the month more often than a sale.
LASTS_MAX = timedelta(days=92)
SHARDS_MAX = 64
BUCKETS_MAX = 16
PAY_MINUTES, PAY_MINUTES_MAX = 15, 1440
# The bucket of everybody whose level no bucket names, when the campaign has none of its own; its
# weight leaves room for lighter ones.
REGULAR, REGULAR_WEIGHT = "regular", 10
# Where risk rules send those they do not deny.
SLOW = "slow"
# How long an entry token lives, and ten seconds for clocks.
PATH_KEY_GRACE = timedelta(seconds=130)
# An order's amount is price × quantity, a bigint of PostgreSQL. An overflow would not refuse one
# order, it would fail the whole batch in `orders/landing.sql`, and every repeat of it. Quantities
# are at most the item's limit; even a smallint's largest one stays below.
assert PRICE_MINOR_MAX * max(LIMIT_PER_SHOPPER_MAX, 2**15 - 1) < 2**63


class CampaignState(models.TextChoices):
    """draft → approved → live → ended; only `services` moves a campaign."""

    DRAFT = "draft", _("draft")
    APPROVED = "approved", _("approved")
    LIVE = "live", _("live")
    ENDED = "ended", _("ended")


class QueueMode(models.TextChoices):
    """How shoppers wait for an item."""

    OFF = "off", _("no queue")
    FIFO = "fifo", _("first come, first served")
    DRAW = "draw", _("draw")


class Campaign(models.Model):
    """A sale event with a start and an end. Selling is allowed in [starts_at, ends_at)."""

    merchant = models.ForeignKey(
        Merchant, on_delete=models.PROTECT, related_name="campaigns", verbose_name=_("merchant")
    )
    slug = models.SlugField(
        _("slug"), unique=True, help_text=_("Names the campaign in URLs; letters, digits, - and _.")
    )
    title = models.CharField(_("title"), max_length=200)
    starts_at = models.DateTimeField(_("start"))
    ends_at = models.DateTimeField(_("end"))
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        default=default_zone,
        db_default="UTC",
        validators=[check_zone],
        help_text=_("By its clocks the times of this campaign are entered and shown to you."),
    )
    state = models.CharField(
        _("state"),
        max_length=10,
        choices=CampaignState.choices,
        default=CampaignState.DRAFT,
        editable=False,
    )
    queue_k = models.PositiveSmallIntegerField(
        _("let in for each unit"),
        default=4,
        validators=[MinValueValidator(2), MaxValueValidator(10)],
        help_text=_("How many shoppers may be at the counter for each unit that is left: 2 to 10."),
    )
    queue_grace_s = models.PositiveSmallIntegerField(
        _("seconds to come"),
        default=30,
        validators=[MinValueValidator(5), MaxValueValidator(600)],
        help_text=_("Whoever does not come within this time loses his place: 5 to 600."),
    )
    lobby_minutes = models.PositiveSmallIntegerField(
        _("minutes of the lobby"),
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(1440)],
        help_text=_("How long before the start shoppers can join the draw: 1 to 1440."),
    )
    human_check = models.BooleanField(
        _("human check"),
        default=True,
        help_text=_("Whether shoppers have to prove that they are people. The switch can end it."),
    )
    pay_minutes = models.PositiveSmallIntegerField(
        _("minutes to pay"),
        default=PAY_MINUTES,
        db_default=PAY_MINUTES,
        validators=[MinValueValidator(1), MaxValueValidator(PAY_MINUTES_MAX)],
        help_text=_("After this time an unpaid order's units go back on sale: 1 to 1440."),
    )
    buys_again = models.BooleanField(
        _("may buy again"),
        default=True,
        db_default=True,
        help_text=_(
            "Whether an order that was not paid in time stops counting against the shopper's limit."
        ),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    # While it waits for its approval; `submitted_digest` is of what was submitted.
    submitted_at = models.DateTimeField(_("submitted at"), null=True, editable=False)
    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("submitted by"),
    )
    submitted_digest = models.CharField(max_length=64, blank=True, db_default="", editable=False)
    approved_at = models.DateTimeField(_("approved at"), null=True, editable=False)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("approved by"),
    )
    ended_at = models.DateTimeField(_("ended at"), null=True, editable=False)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("ended by"),
        help_text=_("Empty when the clock ended it."),
    )
    warmed_at = models.DateTimeField(
        _("armed at"),
        null=True,
        editable=False,
        help_text=_("Since then every shard of it was seen ready to sell."),
    )
    # When the clock tries to settle it again, after its books were seen not to balance.
    settle_after = models.DateTimeField(null=True, editable=False)
    settled_at = models.DateTimeField(
        _("settled at"),
        null=True,
        editable=False,
        help_text=_("Since then no order of it changes any more, and its totals are written."),
    )

    class Meta:
        verbose_name = _("campaign")
        verbose_name_plural = _("campaigns")
        ordering = ["-starts_at"]
        permissions = [
            ("submit_campaign", "Can submit a campaign for approval"),
            ("approve_campaign", "Can approve a campaign"),
            ("pause_campaign", "Can pause and resume a campaign"),
            ("extend_campaign", "Can move the end of a campaign"),
            ("end_campaign", "Can end a campaign early"),
            ("rotate_path_keys", "Can give a campaign new buy addresses"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")),
                name="campaign_ends_after_start",
                violation_error_message=_("The end must be after the start."),
            ),
            models.CheckConstraint(
                condition=models.Q(pay_minutes__gte=1, pay_minutes__lte=PAY_MINUTES_MAX),
                name="campaign_pay_minutes_bounded",
            ),
        ]
        indexes = [
            # The beat asks every second which of the unfinished campaigns are due.
            models.Index(
                fields=["starts_at", "ends_at"],
                condition=models.Q(state__in=["approved", "live"]),
                name="campaign_unfinished",
            ),
            # And which of the ended ones have not been settled.
            models.Index(
                fields=["ended_at"],
                condition=models.Q(state="ended", settled_at=None),
                name="campaign_unsettled",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def clean(self) -> None:
        """Say at the field what the constraint would say about the whole form."""
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            raise ValidationError({"ends_at": _("The end must be after the start.")})


class Item(models.Model):
    """One SKU in a campaign. `price_minor` is in the currency's smallest unit (分, cents)."""

    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, related_name="items", verbose_name=_("campaign")
    )
    sku = models.CharField(_("SKU"), max_length=64)
    title = models.CharField(_("title"), max_length=200)
    units = models.PositiveIntegerField(_("units"), validators=[MinValueValidator(1)])
    price_minor = models.PositiveBigIntegerField(
        _("price in minor units"),
        validators=[
            MinValueValidator(1, _("The price must be 1 at least: nobody can pay less.")),
            MaxValueValidator(PRICE_MINOR_MAX),
        ],
        help_text=_("In the smallest unit of the currency: 1999 is 19.99."),
    )
    currency = models.CharField(
        _("currency"),
        max_length=3,
        default="CNY",
        validators=[RegexValidator("^[A-Z]{3}$", _("Three capital letters, as in CNY."))],
    )
    limit_per_shopper = models.PositiveSmallIntegerField(
        _("limit per shopper"),
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(LIMIT_PER_SHOPPER_MAX)],
    )
    queue_mode = models.CharField(
        _("queue"), max_length=4, choices=QueueMode.choices, default=QueueMode.OFF
    )
    path_key = models.CharField(_("path key"), max_length=32, blank=True, editable=False)
    # The one before it is good for as long as an entry token lives that was handed out with it.
    path_key_before = models.CharField(max_length=32, blank=True, editable=False)
    path_key_rotated_at = models.DateTimeField(null=True, editable=False)
    # A shopper's home shard is crc32 mod this, so it never changes once the item was approved.
    shards = models.PositiveSmallIntegerField(_("shards"), default=1, editable=False)

    class Meta:
        verbose_name = _("item")
        verbose_name_plural = _("items")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "sku"],
                name="item_sku_once_per_campaign",
                violation_error_message=_("This SKU is already in the campaign."),
            ),
            models.CheckConstraint(condition=models.Q(units__gte=1), name="item_units_positive"),
            models.CheckConstraint(
                condition=models.Q(limit_per_shopper__gte=1), name="item_limit_positive"
            ),
            models.CheckConstraint(
                condition=models.Q(price_minor__lte=PRICE_MINOR_MAX), name="item_price_bounded"
            ),
            models.CheckConstraint(
                condition=models.Q(limit_per_shopper__lte=LIMIT_PER_SHOPPER_MAX),
                name="item_limit_bounded",
            ),
            models.CheckConstraint(
                condition=models.Q(shards__gte=1, shards__lte=SHARDS_MAX),
                name="item_shards_bounded",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sku} · {self.title}"

    def clean(self) -> None:
        """Say at the field what no single field can know."""
        if self.units and self.limit_per_shopper and self.limit_per_shopper > self.units:
            raise ValidationError(
                {
                    "limit_per_shopper": _(
                        "One shopper cannot be promised %(limit)s of %(units)s units."
                    )
                    % {"limit": self.limit_per_shopper, "units": self.units}
                }
            )


class QueueBucket(models.Model):
    """A bucket of the queue, for tokens of the level of its name; the last one takes all others.

    A campaign without any has one, REGULAR. Tickets carry a bucket's place in the list, which is
    why the list is fixed at the approval.
    """

    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, related_name="buckets", verbose_name=_("campaign")
    )
    name = models.CharField(
        _("level"),
        max_length=32,
        validators=[RegexValidator(r"^[a-z_]+\Z", _("Only the letters a-z and _."))],
    )
    weight = models.PositiveSmallIntegerField(
        _("weight"),
        default=REGULAR_WEIGHT,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text=_("Its share of those who are let in, against the other buckets: 1 to 1000."),
    )
    place = models.PositiveSmallIntegerField(
        _("position"),
        default=0,
        validators=[MaxValueValidator(1000)],
        help_text=_("The last one takes everybody whose level no bucket names."),
    )

    class Meta:
        verbose_name = _("queue bucket")
        verbose_name_plural = _("queue buckets")
        ordering = ["place", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "name"],
                name="queue_bucket_once_per_campaign",
                violation_error_message=_("There is a bucket for this level already."),
            ),
            models.CheckConstraint(
                condition=models.Q(weight__gte=1, weight__lte=1000), name="queue_weight_bounded"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Settlement(models.Model):
    """The totals of an item whose campaign is over, written once and never changed.

    `units` is what was on sale in the end, with what was added and withdrawn: always `sold` plus
    `left`. Money is what orders are worth, in the currency's smallest unit.
    """

    item = models.OneToOneField(
        Item,
        primary_key=True,
        on_delete=models.PROTECT,
        related_name="settlement",
        verbose_name=_("item"),
    )
    units = models.PositiveBigIntegerField(_("units"))
    sold = models.PositiveBigIntegerField(_("units sold"))
    left = models.PositiveBigIntegerField(_("units left"))
    amount_minor = models.PositiveBigIntegerField(_("amount in minor units"))
    currency = models.CharField(_("currency"), max_length=3)
    orders_paid = models.PositiveBigIntegerField(_("orders paid"))
    orders_expired = models.PositiveBigIntegerField(_("orders expired"))
    orders_cancelled = models.PositiveBigIntegerField(_("orders cancelled"))
    rejections = models.PositiveBigIntegerField(_("reservations rejected"))
    settled_at = models.DateTimeField(_("settled at"))

    class Meta:
        verbose_name = _("settlement")
        verbose_name_plural = _("settlements")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(units=models.F("sold") + models.F("left")),
                name="settlement_adds_up",
            )
        ]

    def __str__(self) -> str:
        return str(self.item)
