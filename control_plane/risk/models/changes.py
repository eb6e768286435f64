"""Who changed which rule, limit or ban, and when. Append-only."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class ChangeVerb(models.TextChoices):
    """What was done."""

    CREATED = "created", _("created")
    CHANGED = "changed", _("changed")
    ENDED = "ended", _("ended")


class RiskChange(models.Model):
    """One change with the values after it; of a row that is gone this is what stays."""

    subject = models.CharField(_("about"), max_length=32)
    subject_id = models.BigIntegerField(_("row number"))
    title = models.CharField(_("what"), max_length=300)
    verb = models.CharField(_("what was done"), max_length=8, choices=ChangeVerb.choices)
    values = models.JSONField(_("values"))
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("by"),
    )
    reason = models.CharField(_("reason"), max_length=200, blank=True, default="", db_default="")
    by_clock = models.BooleanField(_("by the clock"), default=False)
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("change")
        verbose_name_plural = _("changes")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.title}: {self.get_verb_display()}"
