"""Who may use the API: staff by Django's permissions, merchants' keys by their scopes."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.permissions import BasePermission, DjangoModelPermissions
from rest_framework.request import Request

from control_plane.api.authentication import key_of
from control_plane.api.models import ApiKey
from control_plane.config import second_factor


def _may_enter(request: Request) -> bool:
    """Staff; who has a second factor has shown it, which no password sent along can do."""
    is_staff = bool(getattr(request.user, "is_staff", False))
    return is_staff and not second_factor.is_missing(request._request)


class StaffWithModelPermissions(DjangoModelPermissions):
    """Staff only, and Django's own permissions decide what; reading needs `view`.

    A key needs the scope that the view names for its action, and may not where none is named.
    """

    perms_map = {
        **DjangoModelPermissions.perms_map,
        "GET": ["%(app_label)s.view_%(model_name)s"],
        "HEAD": ["%(app_label)s.view_%(model_name)s"],
    }

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the user is staff and holds the model's permission for this method."""
        key = key_of(request)
        if key is not None:
            return _has_scope(key, view)
        return _may_enter(request) and super().has_permission(request, view)


def requires(permission: str) -> type[BasePermission]:
    """Staff who hold `permission`, for actions that are more than a change; keys as above."""

    class StaffWithPermission(BasePermission):
        """See `requires`."""

        def has_permission(self, request: Request, view: Any) -> bool:
            key = key_of(request)
            if key is not None:
                return _has_scope(key, view)
            return _may_enter(request) and request.user.has_perm(permission)

    return StaffWithPermission


def scope_of(view: Any) -> str | None:
    """What a key needs for what is asked of the view; None: no key may."""
    action = getattr(view, "action", None) or str(view.request.method).lower()
    scopes: dict[str, str] = getattr(view, "scopes", {})
    return scopes.get("retrieve" if action == "metadata" else action)


def _has_scope(key: ApiKey, view: Any) -> bool:
    scope = scope_of(view)
    if scope is None:
        raise exceptions.PermissionDenied(_("API keys may not do this: staff only."), "staff_only")
    if scope not in key.scopes:
        raise exceptions.PermissionDenied(
            _("The API key lacks the scope %(scope)s.") % {"scope": scope}, "missing_scope"
        )
    return True
