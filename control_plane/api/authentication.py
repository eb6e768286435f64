"""`Authorization: Bearer slk_…`: the API keys of merchants' tools."""

from typing import TYPE_CHECKING, Any

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from control_plane.api import services
from control_plane.api.models import ApiKey

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class KeyAuthentication(BaseAuthentication):
    """`request.auth` is the key, `request.user` is who it is in the trails."""

    def authenticate(self, request: Request) -> "tuple[User, ApiKey] | None":
        """None without a bearer token."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return None
        try:
            key = services.find_key(token.strip(), timezone.now())
        except services.BadKey as error:
            raise AuthenticationFailed(str(error.message), error.code) from error
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        """For a 401."""
        return 'Bearer realm="api"'


def key_of(request: Any) -> ApiKey | None:
    """The key that asks; None for staff and for strangers."""
    auth = getattr(request, "auth", None)
    return auth if isinstance(auth, ApiKey) else None
