"""Merchants and the keys they sign shopper sessions with."""

import re

from django.db import models
from django.utils.translation import gettext_lazy as _

SHOPPER_PATTERN = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class Merchant(models.Model):
    """A shop. `slug` is the `iss` claim of the sessions it signs."""

    slug = models.SlugField(_("slug"), unique=True)
    name = models.CharField(_("name"), max_length=120)

    class Meta:
        verbose_name = _("merchant")
        verbose_name_plural = _("merchants")

    def __str__(self) -> str:
        return self.name


class SessionKey(models.Model):
    """An HS256 key of one merchant; two may be live at a time so that it can be rotated.

    `secret` is base64url without padding, at least 32 bytes (RFC 7518 §3.2).
    """

    merchant = models.ForeignKey(
        Merchant, on_delete=models.CASCADE, related_name="session_keys", verbose_name=_("merchant")
    )
    kid = models.SlugField(_("key id"), unique=True)
    secret = models.CharField(_("secret"), max_length=128)
    active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("session key")
        verbose_name_plural = _("session keys")

    def __str__(self) -> str:
        return self.kid
