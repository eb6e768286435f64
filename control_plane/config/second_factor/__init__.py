"""The second factor (TOTP) of people who work in the admin: who needs it, and who has shown it.

Optional unless SLUICE_ADMIN_REQUIRE_TOTP says otherwise. Whoever has one needs it at every sign-in,
and no password alone reads the API for him either.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef
from django.http import HttpRequest
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from control_plane.config.console_env import EVERYBODY

# What shows a code, by the attribute with which `Backend` reads a user's confirmed ones.
DEVICES = {"totp_devices": TOTPDevice, "recovery_devices": StaticDevice}


class Backend(ModelBackend):
    """Reads with each session's user which second factors he has: no query more for it.

    They are not written into the session. One that began before he enrolled, or before somebody
    said that he has to, would live on with the password alone; one that showed a code of a device
    which was reset since, with that.
    """

    def get_user(self, user_id: int) -> User | None:
        """As Django's."""
        theirs = {
            name: ArraySubquery(
                model.objects.filter(user=OuterRef("pk"), confirmed=True).values("pk")
            )
            for name, model in DEVICES.items()
        }
        user = User.objects.annotate(**theirs).filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None


def has_one(user: Any) -> bool:
    """Whether he has enrolled; a query unless `Backend` has read him."""
    known = getattr(user, "totp_devices", None)
    if known is not None:
        return bool(known)
    return bool(TOTPDevice.objects.filter(user=user, confirmed=True).exists())


def must_have_one(user: Any) -> bool:
    """By the environment; a query only where groups are named."""
    required = settings.ENV.console.require_totp
    if not required:
        return False
    return EVERYBODY in required or user.groups.filter(name__in=required).exists()


def is_missing(request: HttpRequest) -> bool:
    """Whether this signed-in person has yet to show, or to get, a second factor.

    Asked again at each request; where no groups are named it costs no query of its own.
    """
    session = getattr(request, "session", None)
    # A password that is sent along may be somebody else's than the session.
    if session is None or session.get(SESSION_KEY) != str(request.user.pk):
        return has_one(request.user) or must_have_one(request.user)
    if session.get(DEVICE_ID_SESSION_KEY) in _devices_of(request.user):
        return False
    return has_one(request.user) or must_have_one(request.user)


def reset(user: Any) -> int:
    """Take it away, recovery codes included: for who lost his phone. Returns how many devices."""
    StaticDevice.objects.filter(user=user).delete()
    gone, _by_model = TOTPDevice.objects.filter(user=user).delete()
    return int(gone)


def _devices_of(user: Any) -> set[str]:
    """As a session names them; a query of each sort unless `Backend` has read him."""
    found = set()
    for name, model in DEVICES.items():
        keys = getattr(user, name, None)
        if keys is None:
            keys = model.objects.filter(user=user, confirmed=True).values_list("pk", flat=True)
        found |= {model(pk=key).persistent_id for key in keys}
    return found
