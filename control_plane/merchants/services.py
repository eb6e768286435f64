"""Merchants' session keys, and the sessions signed with them."""

import secrets
from datetime import datetime, timedelta
from typing import NamedTuple

import jwt
from django.db import transaction

from control_plane.merchants.models import SHOPPER_PATTERN, Merchant, SessionKey
from control_plane.snapshot import services as snapshots

DEMO_SLUG = "demo"
AUDIENCE = "sluice"
ALGORITHM = "HS256"
SECRET_BYTES = 32
LIFETIME_MAX = timedelta(days=1)
# Merchants' clocks and ours.
LEEWAY = timedelta(seconds=5)


class MerchantError(Exception):
    """A session cannot be signed."""


class BadShopper(MerchantError):
    """The shopper id is not 1 to 64 of the characters A-Z a-z 0-9 . _ : -"""


class BadLifetime(MerchantError):
    """A session lives longer than no time and at most a day."""


class NoSessionKey(MerchantError):
    """The merchant has no active key."""


class BadSession(MerchantError):
    """The session is not one of ours, or not good any more."""


class Session(NamedTuple):
    """What a verified session says; `merchant` is its slug."""

    merchant: str
    shopper: str


def read_session(token: str, now: datetime) -> Session:
    """Who holds the session, by the same rules as the edge. Raises BadSession."""
    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except jwt.InvalidTokenError as error:
        raise BadSession from error
    key = SessionKey.objects.filter(kid=str(kid), active=True).select_related("merchant").first()
    if key is None:
        raise BadSession
    try:
        claims = jwt.decode(
            token,
            _key_bytes(key.secret),
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=key.merchant.slug,
            # Times are compared below, with the clock that was passed in.
            options={
                "require": ["iss", "aud", "sub", "iat", "exp"],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except jwt.InvalidTokenError as error:
        raise BadSession from error
    at, until, shopper = claims["iat"], claims["exp"], claims["sub"]
    if claims["aud"] != AUDIENCE or type(at) is not int or type(until) is not int:
        raise BadSession
    leeway_s = LEEWAY.total_seconds()
    if not at - leeway_s <= now.timestamp() <= until + leeway_s:
        raise BadSession
    if until - at > LIFETIME_MAX.total_seconds():
        raise BadSession
    if type(shopper) is not str or not SHOPPER_PATTERN.fullmatch(shopper):
        raise BadSession
    return Session(key.merchant.slug, shopper)


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
