"""Immutable versions of the configuration that edge and gateways run, and the entry-token keys."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Snapshot(models.Model):
    """One version: the document, and the SHA-256 of it without version and build time."""

    version = models.BigIntegerField(_("version"), primary_key=True)
    hash = models.CharField(_("hash"), max_length=64)
    document = models.JSONField(_("document"))
    reason = models.CharField(_("reason"), max_length=200)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("snapshot")
        verbose_name_plural = _("snapshots")

    def __str__(self) -> str:
        return str(self.version)


class EntryKey(models.Model):
    """An HS256 key for entry tokens: the newest active one signs, every active one verifies."""

    kid = models.SlugField(_("key id"), primary_key=True)
    secret = models.CharField(_("secret"), max_length=128)
    active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("entry key")
        verbose_name_plural = _("entry keys")

    def __str__(self) -> str:
        return self.kid
