"""The pool, what moves between it and the shards, and what marketers add and withdraw."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns.models import Item
from control_plane.inventory.models.epochs import Allocation


class Pool(models.Model):
    """Units of one item that no shard holds.

    `grants_begun` and `reclaims_begun` only grow: an observer who sees the same figures twice knows
    that no unit set out in between.
    """

    item = models.OneToOneField(
        Item, primary_key=True, on_delete=models.PROTECT, verbose_name=_("item")
    )
    total = models.PositiveIntegerField(_("total"))
    unallocated = models.PositiveIntegerField(_("unallocated"))
    grants_begun = models.PositiveIntegerField(_("grants begun"), default=0)
    reclaims_begun = models.PositiveIntegerField(_("reclaims begun"), default=0)

    class Meta:
        verbose_name = _("pool")
        verbose_name_plural = _("pools")
        permissions = [
            ("top_up_pool", "Can add units to an item on sale"),
            ("withdraw_pool", "Can withdraw units from an item on sale"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(unallocated__gte=0, unallocated__lte=models.F("total")),
                name="pool_unallocated_within_total",
            )
        ]

    def __str__(self) -> str:
        return str(self.item)


class Grant(models.Model):
    """One movement pool → shard. The id is made first, so that the Redis script can be repeated."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    allocation = models.ForeignKey(
        Allocation, on_delete=models.PROTECT, related_name="grants", verbose_name=_("allocation")
    )
    qty = models.PositiveIntegerField(_("quantity"))
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    applied_at = models.DateTimeField(_("applied at"), null=True)

    class Meta:
        verbose_name = _("grant")
        verbose_name_plural = _("grants")
        constraints = [
            models.CheckConstraint(condition=models.Q(qty__gte=1), name="grant_qty_positive")
        ]
        indexes = [
            models.Index(
                fields=["allocation"], condition=models.Q(applied_at=None), name="grant_not_applied"
            )
        ]

    def __str__(self) -> str:
        return str(self.pk)


class Reclaim(models.Model):
    """One movement shard → pool: asked for first, `taken` once the script and PostgreSQL agree."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    allocation = models.ForeignKey(
        Allocation, on_delete=models.PROTECT, related_name="reclaims", verbose_name=_("allocation")
    )
    want = models.PositiveIntegerField(_("wanted"))
    low_water = models.PositiveIntegerField(_("low water"))
    taken = models.PositiveIntegerField(_("taken"), null=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    settled_at = models.DateTimeField(_("settled at"), null=True)

    class Meta:
        verbose_name = _("reclaim")
        verbose_name_plural = _("reclaims")
        constraints = [
            models.CheckConstraint(condition=models.Q(want__gte=1), name="reclaim_want_positive"),
            models.CheckConstraint(
                condition=models.Q(taken=None) | models.Q(taken__lte=models.F("want")),
                name="reclaim_taken_within_want",
            ),
        ]
        indexes = [
            models.Index(
                fields=["allocation"], condition=models.Q(taken=None), name="reclaim_not_settled"
            )
        ]

    def __str__(self) -> str:
        return str(self.pk)


class ChangeKind(models.TextChoices):
    """What a marketer did to the units of an item on sale."""

    TOP_UP = "topup", _("units added")
    WITHDRAW = "withdraw", _("units withdrawn")


class ChangeState(models.TextChoices):
    """A withdrawal waits for units that shards still hold.

    `partly`: the sale ended before, or somebody cancelled the rest.
    """

    WAITING = "waiting", _("waiting")
    DONE = "done", _("done")
    PARTLY = "partly", _("done in part")


class StockChange(models.Model):
    """A marketer's change of the units on sale, and how much of it is done."""

    item = models.ForeignKey(
        Item, on_delete=models.PROTECT, related_name="stock_changes", verbose_name=_("item")
    )
    kind = models.CharField(_("kind"), max_length=8, choices=ChangeKind.choices)
    qty = models.PositiveIntegerField(_("quantity"))
    done = models.PositiveIntegerField(_("done"), default=0)
    state = models.CharField(
        _("state"), max_length=8, choices=ChangeState.choices, default=ChangeState.WAITING
    )
    reason = models.CharField(_("reason"), max_length=200)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("by"),
        help_text=_("Empty: the command line."),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)
    cancelled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("rest cancelled by"),
    )
    cancelled_at = models.DateTimeField(_("rest cancelled at"), null=True)

    class Meta:
        verbose_name = _("change of units")
        verbose_name_plural = _("changes of units")
        permissions = [("cancel_stockchange", "Can cancel the rest of a withdrawal")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(qty__gte=1, done__lte=models.F("qty")),
                name="stockchange_done_within_qty",
            )
        ]
        indexes = [
            models.Index(
                fields=["item"],
                condition=models.Q(state=ChangeState.WAITING),
                name="stockchange_waiting",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.qty}"
