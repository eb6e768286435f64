"""The admin site: its name, and its sections in the order of the work instead of the alphabet."""

from typing import Any

from django.http import HttpRequest
from django.urls import path
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite

from control_plane.config import navigation


class SluiceAdminSite(UnfoldAdminSite):
    """See the module; `admin_look.py` has the rest of what it shows."""

    site_header = _("Sluice")
    site_title = _("Sluice")
    index_title = _("Overview")
    site_url = None

    def get_urls(self) -> list[Any]:
        """With the pages that are about no model."""
        from control_plane.config.audit import page

        own = [
            path("audit/", self.admin_view(page.trail), name="audit"),
            path("audit/trail.csv", self.admin_view(page.csv), name="audit_csv"),
        ]
        return [*own, *super().get_urls()]

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        """Sections nobody placed come last."""
        sections = super().get_app_list(request, app_label)
        place = navigation.order()
        return sorted(sections, key=lambda section: place.get(section["app_label"], len(place)))
