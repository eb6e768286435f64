"""The admin site: its name, and its sections in the order of the work instead of the alphabet."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

SECTIONS = (
    "campaigns",
    "switches",
    "risk",
    "orders",
    "payments",
    "reconciliation",
    "inventory",
    "warehouse",
    "merchants",
    "webhooks",
    "snapshot",
    "django_celery_beat",
    "auth",
)


class SluiceAdminSite(admin.AdminSite):
    """See the module."""

    site_header = _("Sluice")
    site_title = _("Sluice")
    index_title = _("Sales")
    # There is no other site: shoppers are served by the edge.
    site_url = None

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        """Sections nobody placed come last."""
        sections = super().get_app_list(request, app_label)
        place = {label: number for number, label in enumerate(SECTIONS)}
        return sorted(sections, key=lambda section: place.get(section["app_label"], len(place)))
