"""Immutable versions of the configuration that edge and gateways run, and the entry-token keys."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

REASON_LENGTH_MAX = 200


class Snapshot(models.Model):
    """One version: the document, and the SHA-256 of it without version and build time."""

    version = models.BigIntegerField(_("version"), primary_key=True)
    hash = models.CharField(_("hash"), max_length=64)
    document = models.JSONField(_("document"))
    reason = models.CharField(_("reason"), max_length=REASON_LENGTH_MAX)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("snapshot")
        verbose_name_plural = _("snapshots")

    def __str__(self) -> str:
        return str(self.version)


class EntryKey(models.Model):
    """An HS256 key for entry tokens: one of the active ones signs, every active one verifies.

    Tickets of a queue are signed by a key derived from it and outlive it, since they are good
    until the sale ends.
    """

    kid = models.SlugField(_("key id"), primary_key=True)
    secret = models.CharField(_("secret"), max_length=128)
    active = models.BooleanField(_("active"), default=True)
    withdrawn = models.BooleanField(
        _("withdrawn"),
        default=False,
        help_text=_("It leaked: tickets that it signed are refused as well."),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("by"),
        help_text=_("Empty: the command line."),
    )
    reason = models.CharField(_("reason"), max_length=REASON_LENGTH_MAX, blank=True, default="")

    class Meta:
        verbose_name = _("entry key")
        verbose_name_plural = _("entry keys")
        permissions = [("rotate_entrykey", "Can let a new entry key sign")]

    def __str__(self) -> str:
        return self.kid


class InstanceKind(models.TextChoices):
    """Who reads snapshots."""

    GATEWAY = "gateway", _("gateway")
    EDGE = "edge", _("edge")


class Heartbeat(models.Model):
    """The last thing an instance said: the version that each of its workers runs."""

    instance = models.CharField(_("instance"), max_length=64, unique=True)
    kind = models.CharField(_("kind"), max_length=7, choices=InstanceKind.choices)
    # As they came: [{"id", "version", "applied_at_ms"}].
    workers = models.JSONField(_("workers"))
    # Of the worker that is farthest behind.
    lowest_version = models.BigIntegerField(_("version"))
    clock_ahead_ms = models.BigIntegerField(_("clock"))
    # By our clock, since that is what it is compared with.
    at = models.DateTimeField(_("last seen"))

    class Meta:
        verbose_name = _("gateway or edge")
        verbose_name_plural = _("gateways and edges")
        ordering = ["kind", "instance"]

    def __str__(self) -> str:
        return self.instance
