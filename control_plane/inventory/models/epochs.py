"""Allocations, one an (item, shard, epoch), and how an epoch ends."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns.models import Item
from control_plane.inventory.models.source import RearmMode, Source


class AllocationState(models.TextChoices):
    """selling → draining → closed.

    Draining, it sells no more, but its reservations may not all be decided. Closed, its leftover is
    in the pool.
    """

    SELLING = "selling", _("selling")
    DRAINING = "draining", _("draining")
    CLOSED = "closed", _("closed")


class Allocation(models.Model):
    """What one (item, shard, epoch) was granted and how much of it became orders.

    `life` names the one life of the one Redis master that may be armed for this epoch
    (`master_replid`), empty until one was claimed. `script_sha` names its reserve script, empty
    until the shard is armed, and always for the source `database`.
    """

    item = models.ForeignKey(
        Item, on_delete=models.PROTECT, related_name="allocations", verbose_name=_("item")
    )
    shard = models.PositiveSmallIntegerField(_("shard"))
    epoch = models.PositiveIntegerField(_("epoch"))
    source = models.CharField(
        _("stock source"), max_length=8, choices=Source.choices, default=Source.PRIMARY
    )
    state = models.CharField(
        _("state"), max_length=8, choices=AllocationState.choices, default=AllocationState.SELLING
    )
    granted = models.PositiveIntegerField(_("granted"), default=0)
    consumed = models.PositiveIntegerField(_("consumed"), default=0)
    life = models.CharField(_("life of the node"), max_length=40, blank=True)
    script_sha = models.CharField(_("script SHA-1"), max_length=40, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    closed_at = models.DateTimeField(_("closed at"), null=True)

    class Meta:
        verbose_name = _("allocation")
        verbose_name_plural = _("allocations")
        permissions = [("rearm_allocation", "Can re-arm a shard")]
        constraints = [
            models.UniqueConstraint(
                fields=["item", "shard", "epoch"], name="allocation_once_per_epoch"
            ),
            models.UniqueConstraint(
                fields=["item", "shard"],
                condition=models.Q(state=AllocationState.SELLING),
                name="allocation_one_selling_per_shard",
            ),
            models.CheckConstraint(
                condition=models.Q(consumed__lte=models.F("granted")),
                name="allocation_consumed_within_granted",
            ),
        ]
        indexes = [
            # The agent asks for them in every round; closed ones are kept for ever.
            models.Index(
                fields=["item"],
                condition=~models.Q(state=AllocationState.CLOSED),
                name="allocation_not_closed",
            )
        ]

    def __str__(self) -> str:
        return f"i{self.item_id}:s{self.shard:02d}:e{self.epoch}"

    @property
    def leftover(self) -> int:
        """Units that are in the shard or on their way from there."""
        return self.granted - self.consumed


class RearmStage(models.TextChoices):
    """How far the end of an epoch has come; the stock agent brings it on."""

    FENCED = "fenced", _("fenced")
    DISARMED = "disarmed", _("disarmed")
    DRAINED = "drained", _("drained")
    BARRIER_SENT = "barrier_sent", _("barrier sent")
    CLOSED = "closed", _("closed")


class Rearm(models.Model):
    """The end of one epoch, so that a new one may begin. Every stage is reached once.

    `lease_until` is set by a forced change of source: from then on no gateway that keeps its lease
    sells from the old one. `partitions` is how many of Kafka's got the barrier.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    allocation = models.OneToOneField(
        Allocation, on_delete=models.PROTECT, related_name="rearm", verbose_name=_("allocation")
    )
    mode = models.CharField(_("mode"), max_length=4, choices=RearmMode.choices)
    reason = models.CharField(_("reason"), max_length=200)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("by"),
        help_text=_("Empty: the stock agent, the clock or the command line."),
    )
    stage = models.CharField(
        _("stage"), max_length=12, choices=RearmStage.choices, default=RearmStage.FENCED
    )
    partitions = models.PositiveIntegerField(_("partitions"), null=True)
    lease_until = models.DateTimeField(_("lease until"), null=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    stage_at = models.DateTimeField(_("stage since"), auto_now_add=True)
    given_up_at = models.DateTimeField(_("given up at"), null=True)
    given_up_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("given up by"),
    )
    given_up_reason = models.CharField(_("reason for giving up"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("re-arm")
        verbose_name_plural = _("re-arms")
        permissions = [("give_up_rearm", "Can give up a lost shard")]
        indexes = [
            models.Index(
                fields=["created_at"],
                condition=~models.Q(stage=RearmStage.CLOSED),
                name="rearm_not_closed",
            )
        ]

    def __str__(self) -> str:
        return str(self.allocation)


class BarrierSeen(models.Model):
    """Consumers have landed everything before this re-arm's barrier in a partition."""

    pk = models.CompositePrimaryKey("rearm_id", "partition")
    rearm_id = models.UUIDField(_("re-arm"))
    partition = models.PositiveIntegerField(_("partition"))

    class Meta:
        verbose_name = _("barrier seen")
        verbose_name_plural = _("barriers seen")

    def __str__(self) -> str:
        return f"{self.rearm_id} {self.partition}"


class UnusedHold(models.Model):
    """Units a shard took for a reservation that became no order there; they went back, once."""

    pk = models.CompositePrimaryKey("reservation_id", "allocation")
    reservation_id = models.CharField(_("reservation"), max_length=64)
    allocation = models.ForeignKey(
        Allocation, on_delete=models.PROTECT, related_name="+", verbose_name=_("allocation")
    )

    class Meta:
        verbose_name = _("unused hold")
        verbose_name_plural = _("unused holds")

    def __str__(self) -> str:
        return f"{self.reservation_id} {self.allocation_id}"
