"""What the books of an item said a day after its sale, side by side."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns.models import Item


class Difference(models.TextChoices):
    """What may not agree; in units, from UNSETTLED on in pieces."""

    UNITS = "units", _("I1: total against pool, shards and orders")
    LEDGER = "ledger", _("ledger against live orders")
    CONFIRMED = "confirmed", _("CONFIRM entries against orders")
    RETURNED = "returned", _("RETURN entries against ended orders")
    DEDUCTED = "deducted", _("warehouse deductions against orders")
    RESTORED = "restored", _("warehouse restorations against ended orders")
    SETTLEMENT = "settlement", _("settlement against live orders")
    UNSETTLED = "unsettled", _("not settled yet")
    UNDECIDED = "undecided", _("reservations of the database without a decision")
    UNREADABLE = "unreadable", _("books that cannot be read")


class Reconciliation(models.Model):
    """I1 filled in, and beside it what the others say. A trigger refuses UPDATE and DELETE.

    `total = unallocated + open_leftover + live_units`. `day` counts from the first look: one that
    does not balance is looked at again the next day, as another row.
    """

    item = models.ForeignKey(
        Item, on_delete=models.PROTECT, related_name="reconciliations", verbose_name=_("item")
    )
    day = models.PositiveSmallIntegerField(_("day"))
    at = models.DateTimeField(_("at"))
    balanced = models.BooleanField(_("balanced"))
    differences = models.JSONField(_("differences"), default=dict)

    total = models.BigIntegerField(_("total"))
    unallocated = models.BigIntegerField(_("unallocated"))
    open_leftover = models.BigIntegerField(_("in shards"))
    live_units = models.BigIntegerField(_("live orders"))

    units_paid = models.BigIntegerField(_("units paid"))
    units_unpaid = models.BigIntegerField(_("units unpaid"))
    units_expired = models.BigIntegerField(_("units expired"))
    units_cancelled = models.BigIntegerField(_("units cancelled"))
    rejections = models.BigIntegerField(_("reservations rejected"))
    ledger_confirmed = models.BigIntegerField(_("ledger: confirmed"))
    ledger_returned = models.BigIntegerField(_("ledger: returned"))
    warehouse_deducted = models.BigIntegerField(_("warehouse: deducted"))
    warehouse_restored = models.BigIntegerField(_("warehouse: restored"))

    class Meta:
        verbose_name = _("reconciliation")
        verbose_name_plural = _("reconciliations")
        constraints = [
            models.UniqueConstraint(fields=["item", "day"], name="reconciliation_once_a_day")
        ]
        indexes = [
            models.Index(
                fields=["item"], condition=models.Q(balanced=False), name="reconciliation_open"
            )
        ]

    def __str__(self) -> str:
        return f"{self.item} · {self.day}"
