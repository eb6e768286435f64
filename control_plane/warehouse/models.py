"""The warehouse's own books, in the database `inventory`: no foreign key leaves it."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Stock(models.Model):
    """Units of a SKU on the shelf. Negative means that more was sold than the warehouse has."""

    sku = models.CharField(_("SKU"), max_length=64, primary_key=True)
    on_hand = models.BigIntegerField(_("on hand"), default=0)

    class Meta:
        verbose_name = _("stock")
        verbose_name_plural = _("stock")

    def __str__(self) -> str:
        return self.sku


class StockEntryKind(models.TextChoices):
    """DEDUCT follows `order.created`, RESTORE follows `order.cancelled` and `order.expired`."""

    DEDUCT = "deduct", _("deduct")
    RESTORE = "restore", _("restore")


class StockEntry(models.Model):
    """Append-only ledger: one DEDUCT and one RESTORE per order at most."""

    pk = models.CompositePrimaryKey("order_id", "kind")
    order_id = models.BigIntegerField(_("order"))
    kind = models.CharField(_("kind"), max_length=8, choices=StockEntryKind.choices)
    sku = models.CharField(_("SKU"), max_length=64)
    item_id = models.BigIntegerField(_("item"))
    qty = models.PositiveIntegerField(_("quantity"))
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("stock entry")
        verbose_name_plural = _("stock entries")
        indexes = [models.Index(fields=["sku", "-created_at"], name="stock_entry_by_sku")]

    def __str__(self) -> str:
        return f"{self.order_id} {self.kind}"
