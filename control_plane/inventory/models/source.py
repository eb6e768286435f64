"""Which stock sells: the primary cluster, the standby cluster or PostgreSQL itself."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Source(models.TextChoices):
    """Where the shards of an epoch live."""

    PRIMARY = "primary", _("primary cluster")
    STANDBY = "standby", _("standby cluster")
    DATABASE = "database", _("database")


class RearmMode(models.TextChoices):
    """The next epoch begins once the old one is closed (full) or cannot sell any more (fast)."""

    FAST = "fast", _("fast")
    FULL = "full", _("full")


class StockSource(models.Model):
    """A change of source, append-only; the newest is in force. None: primary, generation 0."""

    source = models.CharField(_("stock source"), max_length=8, choices=Source.choices)
    generation = models.PositiveIntegerField(_("generation"), unique=True)
    mode = models.CharField(_("mode"), max_length=4, choices=RearmMode.choices)
    forced = models.BooleanField(_("forced"))
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

    class Meta:
        verbose_name = _("change of the stock source")
        verbose_name_plural = _("stock source")
        permissions = [("switch_stocksource", "Can change the stock source")]

    def __str__(self) -> str:
        return f"{self.generation}: {self.get_source_display()}"
