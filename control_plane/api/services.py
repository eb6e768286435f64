"""API keys: made, found by their token, revoked. Nobody else writes them."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from control_plane.api.models import ApiKey
from control_plane.api.scopes import Scope
from control_plane.merchants.models import Merchant

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

# 256 bits: nobody guesses one, so a fast hash of it is as good as a slow one.
SECRET_BYTES = 32
PREFIX_BYTES = 6
TOKEN_PATTERN = re.compile(r"slk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
# How exact "last used" is: a row is written once in this time, however busy the key is.
USED_EVERY = timedelta(minutes=1)


class BadKey(Exception):
    """The token is none of ours; the same for an unknown prefix and a wrong secret."""

    code = "bad_token"
    message: "_StrPromise" = _("The API key is wrong.")


class KeyExpired(BadKey):
    """Its holder may know why."""

    code = "key_expired"
    message = _("The API key has expired. Ask for a new one.")


class KeyRevoked(BadKey):
    """Its holder may know why."""

    code = "key_revoked"
    message = _("The API key was revoked.")


def create_key(
    merchant: Merchant,
    name: str,
    scopes: Collection[str],
    *,
    by: User | None,
    now: datetime,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its token, which nobody can read again. Raises Django's ValidationError."""
    if not scopes:
        raise ValidationError({"scopes": _("Choose at least one.")})
    if {Scope.CAMPAIGNS_WRITE, Scope.CAMPAIGNS_APPROVE} <= set(scopes):
        # A key is somebody: it would be the second person of its own campaigns' makers.
        raise ValidationError(
            {"scopes": _("One key may not both make campaigns and approve them.")}
        )
    if expires_at is not None and expires_at <= now:
        raise ValidationError({"expires_at": _("The end must be in the future.")})
    prefix, secret = secrets.token_hex(PREFIX_BYTES), secrets.token_urlsafe(SECRET_BYTES)
    with transaction.atomic():
        user = User(username=f"key:{merchant.slug}:{prefix}"[:150])
        user.set_unusable_password()
        user.save()
        key = ApiKey(
            merchant=merchant,
            user=user,
            name=name.strip(),
            prefix=prefix,
            secret_hash=_digest(secret),
            scopes=[scope for scope in Scope.values if scope in scopes],
            created_at=now,
            created_by=by,
            expires_at=expires_at,
        )
        key.full_clean()
        key.save(force_insert=True)
    return key, f"slk_{prefix}_{secret}"


def find_key(token: str, now: datetime) -> ApiKey:
    """The key of a token, noted as used. Raises BadKey, KeyExpired, KeyRevoked."""
    match = TOKEN_PATTERN.fullmatch(token)
    if match is None:
        raise BadKey
    key = ApiKey.objects.select_related("merchant", "user").filter(prefix=match[1]).first()
    if key is None or not hmac.compare_digest(key.secret_hash, _digest(match[2])):
        raise BadKey
    if key.revoked_at is not None or not key.user.is_active:
        raise KeyRevoked
    if key.is_expired(now):
        raise KeyExpired
    if key.last_used_at is None or key.last_used_at <= now - USED_EVERY:
        long_ago = Q(last_used_at=None) | Q(last_used_at__lte=now - USED_EVERY)
        ApiKey.objects.filter(long_ago, pk=key.pk).update(last_used_at=now)
    return key


def revoke_key(key_id: int, now: datetime) -> bool:
    """End a key for good, at once; False when it was ended before."""
    return bool(ApiKey.objects.filter(pk=key_id, revoked_at=None).update(revoked_at=now))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
