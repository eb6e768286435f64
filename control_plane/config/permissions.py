"""Who may use the staff API."""

from typing import Any

from rest_framework.permissions import BasePermission, DjangoModelPermissions
from rest_framework.request import Request

from control_plane.config import second_factor


def _may_enter(request: Request) -> bool:
    """Staff; who has a second factor has shown it, which no password sent along can do."""
    is_staff = bool(getattr(request.user, "is_staff", False))
    return is_staff and not second_factor.is_missing(request._request)


class StaffWithModelPermissions(DjangoModelPermissions):
    """Staff only, and Django's own permissions decide what; reading needs `view`."""

    perms_map = {
        **DjangoModelPermissions.perms_map,
        "GET": ["%(app_label)s.view_%(model_name)s"],
        "HEAD": ["%(app_label)s.view_%(model_name)s"],
    }

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the user is staff and holds the model's permission for this method."""
        return _may_enter(request) and super().has_permission(request, view)


def requires(permission: str) -> type[BasePermission]:
    """Staff who hold `permission`, for actions that are more than a change."""

    class StaffWithPermission(BasePermission):
        """See `requires`."""

        def has_permission(self, request: Request, view: Any) -> bool:
            return _may_enter(request) and request.user.has_perm(permission)

    return StaffWithPermission
