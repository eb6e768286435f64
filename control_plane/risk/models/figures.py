"""What rules matched, by the minute, added up from what gateways tell."""

from django.db import models
from django.utils.translation import gettext_lazy as _

# In place of a rule's number: how many purchases were compared at all.
EVERY_PURCHASE = 0


class RuleMinute(models.Model):
    """How often a rule matched in a minute; `mode` as the gateway applied it, a switch included.

    Without foreign keys, since it is written every ten seconds for each gateway and forgotten
    after a week.
    """

    minute = models.DateTimeField(_("minute"))
    rule = models.BigIntegerField(_("risk rule"))
    action = models.CharField(_("action"), max_length=9)
    mode = models.CharField(_("mode"), max_length=7)
    count = models.PositiveBigIntegerField(_("count"))

    class Meta:
        verbose_name = _("matches of a risk rule")
        verbose_name_plural = _("matches of risk rules")
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "minute", "action", "mode"], name="rule_minute_once"
            )
        ]
        indexes = [models.Index(fields=["minute"], name="rule_minute_by_time")]

    def __str__(self) -> str:
        return f"{self.rule} {self.minute}: {self.count}"


class GatewayTotals(models.Model):
    """What a gateway said last: the next report is counted from here."""

    instance = models.CharField(max_length=64, primary_key=True)
    compared = models.PositiveBigIntegerField()
    # [[rule, action, mode, count]], as it came.
    matches = models.JSONField()

    def __str__(self) -> str:
        return self.instance
