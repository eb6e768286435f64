"""Merchants' session keys, and the sessions signed with them."""

import secrets
from datetime import datetime, timedelta

import jwt
from django.db import transaction

from control_plane.merchants.models import SHOPPER_PATTERN, Merchant, SessionKey
from control_plane.snapshot import services as snapshots

DEMO_SLUG = "demo"
AUDIENCE = "sluice"
ALGORITHM = "HS256"
SECRET_BYTES = 32
LIFETIME_MAX = timedelta(days=1)


class MerchantError(Exception):
    """A session cannot be signed."""


class BadShopper(MerchantError):
    """The shopper id is not 1 to 64 of the characters A-Z a-z 0-9 . _ : -"""


class BadLifetime(MerchantError):
    """A session lives longer than no time and at most a day."""


class NoSessionKey(MerchantError):
    """The merchant has no active key."""


def sign_session(merchant: Merchant, shopper: str, lifetime: timedelta, now: datetime) -> str:
    """A session JWT for `shopper`, signed with the merchant's newest active key.

    Real merchants do this in their own shop; here it serves the demo and the tests.
    """
    if not SHOPPER_PATTERN.fullmatch(shopper):
        raise BadShopper(shopper)
    if not timedelta(0) < lifetime <= LIFETIME_MAX:
        raise BadLifetime(lifetime)
    key = merchant.session_keys.filter(active=True).order_by("-created_at", "-pk").first()
    if key is None:
        raise NoSessionKey(merchant.slug)
    claims = {
        "iss": merchant.slug,
        "aud": AUDIENCE,
        "sub": shopper,
        "iat": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
    }
    return jwt.encode(claims, _key_bytes(key.secret), ALGORITHM, headers={"kid": key.kid})


def create_session_key(merchant: Merchant) -> SessionKey:
    """A new random key; the merchant is told its secret once and signs with it from then on."""
    with transaction.atomic():
        key = SessionKey.objects.create(
            merchant=merchant,
            kid=f"{merchant.slug[:30]}-{secrets.token_hex(4)}",
            secret=secrets.token_urlsafe(SECRET_BYTES),
        )
        snapshots.publish(f"session key {key.kid} created")
    return key


def ensure_demo_merchant() -> Merchant:
    """The merchant `demo` with at least one active key. Idempotent; one query once it exists."""
    ready = Merchant.objects.filter(slug=DEMO_SLUG, session_keys__active=True).first()
    if ready is not None:
        return ready
    with transaction.atomic():
        merchant, _ = Merchant.objects.get_or_create(slug=DEMO_SLUG, defaults={"name": "Demo shop"})
        # Two callers at once would each see no key and make one.
        Merchant.objects.select_for_update().get(pk=merchant.pk)
        if not merchant.session_keys.filter(active=True).exists():
            create_session_key(merchant)
    return merchant


def _key_bytes(secret: str) -> bytes:
    return jwt.utils.base64url_decode(secret)
