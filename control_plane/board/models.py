"""Alerts as Alertmanager told them, and links with which a wall shows the board."""

import secrets

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Alert(models.Model):
    """One firing of an alert. Written by `services.record_alerts` only."""

    # Alertmanager's hash of the labels; the same alert fires again with another start.
    fingerprint = models.CharField(_("fingerprint"), max_length=32)
    name = models.CharField(_("alert"), max_length=100)
    severity = models.CharField(_("severity"), max_length=16)
    labels = models.JSONField(_("labels"))
    summary = models.TextField(_("summary"))
    action = models.TextField(_("what to do"))
    starts_at = models.DateTimeField(_("since"))
    ends_at = models.DateTimeField(_("until"), null=True)
    told_at = models.DateTimeField(_("last told at"))

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        ordering = ["-starts_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["fingerprint", "starts_at"], name="alert_once_per_firing"
            )
        ]
        indexes = [
            models.Index(
                fields=["starts_at"], condition=models.Q(ends_at=None), name="alert_firing"
            )
        ]

    def __str__(self) -> str:
        return f"{self.severity} {self.name}"


def _link_name() -> str:
    return secrets.token_urlsafe(9)


class WallLink(models.Model):
    """Who has it sees the board and nothing else, until it expires or is withdrawn."""

    name = models.CharField(_("link"), max_length=16, unique=True, default=_link_name)
    place = models.CharField(
        _("place"), max_length=100, help_text=_("Where it hangs, so that it can be withdrawn.")
    )
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("by"),
    )
    created_at = models.DateTimeField(_("created at"))
    expires_at = models.DateTimeField(_("expires at"))
    withdrawn_at = models.DateTimeField(_("withdrawn at"), null=True)

    class Meta:
        verbose_name = _("wall link")
        verbose_name_plural = _("wall links")
        ordering = ["-created_at"]
        permissions = [
            ("view_board", "Can see the live board"),
            ("share_board", "Can make links with which a wall shows the live board"),
        ]

    def __str__(self) -> str:
        return self.place
