"""Alerts as they were told, and wall links with a button that withdraws them."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from control_plane.board import services
from control_plane.board.models import Alert, WallLink
from control_plane.config.ask_first import staff
from control_plane.config.read_only_admin import ReadOnlyAdmin


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """Newest first."""

    list_display = ["severity", "name", "summary", "starts_at", "ends_at"]
    list_filter = ["severity", "name"]


@admin.register(WallLink)
class WallLinkAdmin(ReadOnlyAdmin):
    """The address itself is shown once, when it is made."""

    list_display = ["place", "by", "created_at", "expires_at", "withdrawn_at"]
    actions = ["withdraw"]

    @admin.action(description=_("Withdraw: the wall goes dark"), permissions=["share"])
    def withdraw(self, request: HttpRequest, links: Any) -> None:
        """End the chosen links."""
        for link in links:
            services.withdraw_wall_link(link, staff(request), timezone.now())

    def has_share_permission(self, request: HttpRequest) -> bool:
        """Who makes links may end them."""
        return request.user.has_perm("board.share_board")
