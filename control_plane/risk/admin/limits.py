"""Rate limits."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from control_plane.config.ask_first import staff
from control_plane.config.history import reason_of
from control_plane.risk import services
from control_plane.risk.admin.service_form import ServiceAdmin
from control_plane.risk.models import RateLimit


@admin.register(RateLimit)
class RateLimitAdmin(ServiceAdmin):
    """A short list: everybody's first, then those of levels."""

    over = services.LimitGone
    list_display = ("by", "level_or_everybody", "per_s", "burst")
    list_display_links = ("by", "level_or_everybody")
    fields = ("by", "level", "per_s", "burst")
    ordering = ("level", "by")

    @admin.display(description=_("level"), ordering="level")
    def level_or_everybody(self, limit: RateLimit) -> str:
        """Whose."""
        return limit.level or str(_("everybody"))

    def create(self, fields: dict[str, Any], request: HttpRequest) -> RateLimit:
        """By its service."""
        return services.create_limit(fields, staff(request), timezone.now())

    def change(self, pk: int, fields: dict[str, Any], request: HttpRequest) -> None:
        """By its service."""
        services.change_limit(pk, fields, staff(request), timezone.now(), reason_of(request))

    def delete_model(self, request: HttpRequest, obj: RateLimit) -> None:
        """By its service; what somebody else removed is removed."""
        try:
            services.remove_limit(obj.pk, staff(request), timezone.now())
        except services.LimitGone as error:
            self.message_user(request, error.message)
