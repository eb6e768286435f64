"""Where every unit is: in the pool, leased to a shard, or in an order (DESIGN §5).

I1, always: pool.total = pool.unallocated + Σ open allocations (granted − consumed) + live orders.
"""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns.models import Item


class Pool(models.Model):
    """Units of one item that no shard holds."""

    item = models.OneToOneField(
        Item, primary_key=True, on_delete=models.PROTECT, verbose_name=_("item")
    )
    total = models.PositiveIntegerField(_("total"))
    unallocated = models.PositiveIntegerField(_("unallocated"))

    class Meta:
        verbose_name = _("pool")
        verbose_name_plural = _("pools")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(unallocated__gte=0, unallocated__lte=models.F("total")),
                name="pool_unallocated_within_total",
            )
        ]

    def __str__(self) -> str:
        return str(self.item)


class Allocation(models.Model):
    """What one (item, shard, epoch) was granted and how much of it became orders.

    `script_sha` names the reserve script armed for this epoch; empty until the shard is armed.
    """

    item = models.ForeignKey(
        Item, on_delete=models.PROTECT, related_name="allocations", verbose_name=_("item")
    )
    shard = models.PositiveSmallIntegerField(_("shard"))
    epoch = models.PositiveIntegerField(_("epoch"))
    granted = models.PositiveIntegerField(_("granted"), default=0)
    consumed = models.PositiveIntegerField(_("consumed"), default=0)
    closed = models.BooleanField(_("closed"), default=False)
    script_sha = models.CharField(_("script SHA-1"), max_length=40, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("allocation")
        verbose_name_plural = _("allocations")
        constraints = [
            models.UniqueConstraint(
                fields=["item", "shard", "epoch"], name="allocation_once_per_epoch"
            ),
            models.UniqueConstraint(
                fields=["item", "shard"],
                condition=models.Q(closed=False),
                name="allocation_one_open_per_shard",
            ),
            models.CheckConstraint(
                condition=models.Q(consumed__lte=models.F("granted")),
                name="allocation_consumed_within_granted",
            ),
        ]

    def __str__(self) -> str:
        return f"i{self.item_id}:s{self.shard:02d}:e{self.epoch}"


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
