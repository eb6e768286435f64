"""Merchants' API keys, and the answers that a repeated write gets again."""

from datetime import datetime

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from control_plane.api.scopes import Scope
from control_plane.merchants.models import Merchant

NAME_LENGTH_MAX = 60
IDEMPOTENCY_KEY_LENGTH_MAX = 255
PATH_LENGTH_MAX = 300


class ApiKey(models.Model):
    """A key of one merchant's tools: it sees that merchant's objects and no others.

    The token is `slk_<prefix>_<secret>`; the secret is 256 random bits and only its SHA-256 is
    here. `user` is who stands in every trail: it has no password and is no staff.
    """

    merchant = models.ForeignKey(
        Merchant, on_delete=models.PROTECT, related_name="api_keys", verbose_name=_("merchant")
    )
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="api_key"
    )
    name = models.CharField(
        _("name"), max_length=NAME_LENGTH_MAX, help_text=_("What it is for: who uses it, where.")
    )
    prefix = models.CharField(_("prefix"), max_length=12, unique=True)
    secret_hash = models.CharField(max_length=64)
    scopes = ArrayField(
        models.CharField(max_length=32, choices=Scope.choices), verbose_name=_("scopes")
    )
    created_at = models.DateTimeField(_("created at"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("created by"),
        help_text=_("Empty: the command line."),
    )
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["-pk"]
        permissions = [("revoke_apikey", "Can revoke an API key")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"

    def is_expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now


class KeptAnswer(models.Model):
    """A write that was asked for with an Idempotency-Key, and what it was answered.

    Without `status` it is under way, until `lease_until`: whoever did it then has died, and with
    its transaction everything it had done.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=IDEMPOTENCY_KEY_LENGTH_MAX)
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=PATH_LENGTH_MAX)
    body_hash = models.CharField(max_length=64)
    lease_until = models.DateTimeField()
    lease = models.UUIDField()
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.TextField(default="")
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = _("kept answer")
        verbose_name_plural = _("kept answers")
        constraints = [
            models.UniqueConstraint(
                fields=["user", "key", "method", "path"], name="keptanswer_once"
            )
        ]
        indexes = [models.Index(fields=["created_at"], name="keptanswer_by_age")]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"
