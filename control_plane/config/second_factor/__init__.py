"""The second factor (TOTP) of people who work in the admin: who needs it, and who has shown it.

Optional unless SLUICE_ADMIN_REQUIRE_TOTP says otherwise. Whoever has one needs it at every sign-in,
and no password alone reads the API for him either.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_totp.models import TOTPDevice

from control_plane.config.console_env import EVERYBODY

# In the session since the sign-in: whether this person has a second factor.
HAS_ONE = "second_factor"


def has_one(user: Any) -> bool:
    """Whether he has enrolled; one query."""
    return bool(TOTPDevice.objects.filter(user=user, confirmed=True).exists())


def must_have_one(user: Any) -> bool:
    """By the environment; a query only where groups are named."""
    required = settings.ENV.console.require_totp
    if not required:
        return False
    return EVERYBODY in required or user.groups.filter(name__in=required).exists()


def is_missing(request: HttpRequest) -> bool:
    """Whether this signed-in person has yet to show, or to get, a second factor.

    A request of a session costs no query unless groups are named: the sign-in has written down
    whether he has one. Without a session (a password sent along) the device itself is asked for.
    """
    session = getattr(request, "session", None)
    # A password that is sent along may be somebody else's than the session.
    if session is None or session.get(SESSION_KEY) != str(request.user.pk):
        return has_one(request.user) or must_have_one(request.user)
    if session.get(DEVICE_ID_SESSION_KEY):
        return False
    known = session.get(HAS_ONE)
    return bool(has_one(request.user) if known is None else known) or must_have_one(request.user)


def remember(sender: Any, request: HttpRequest, user: Any, **_kwargs: Any) -> None:
    """Receiver of `user_logged_in`."""
    if getattr(request, "session", None) is not None:
        request.session[HAS_ONE] = has_one(user)


def reset(user: Any) -> int:
    """Take it away, recovery codes included: for who lost his phone. Returns how many devices."""
    from django_otp.plugins.otp_static.models import StaticDevice

    StaticDevice.objects.filter(user=user).delete()
    gone, _by_model = TOTPDevice.objects.filter(user=user).delete()
    return int(gone)
