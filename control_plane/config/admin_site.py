"""The admin site: its name, and its sections in the order of the work instead of the alphabet."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite

from control_plane.config import navigation, second_factor


class SluiceAdminSite(UnfoldAdminSite):
    """See the module; `admin_look.py` has the rest of what it shows."""

    site_header = _("Sluice")
    site_title = _("Sluice")
    index_title = _("Overview")
    site_url = None

    def get_urls(self) -> list[Any]:
        """With the pages that are about no model."""
        from control_plane.config.audit import page
        from control_plane.config.second_factor import pages
        from control_plane.drills import page as drills
        from control_plane.support.page import support

        own = [
            # Their own doors: who comes here has no second factor yet.
            path("second-factor/", pages.show_code, name="second_factor"),
            path("second-factor/enroll/", pages.enroll, name="second_factor_enroll"),
            path("second-factor/end/", self.admin_view(pages.end), name="second_factor_end"),
            path("support/", self.admin_view(support), name="support"),
            path("drills/", self.admin_view(drills.listed), name="drills"),
            path("drills/<slug:name>/", self.admin_view(drills.report), name="drill_report"),
            path("audit/", self.admin_view(page.trail), name="audit"),
            path("audit/trail.csv", self.admin_view(page.csv), name="audit_csv"),
        ]
        return [*own, *super().get_urls()]

    def has_permission(self, request: HttpRequest) -> bool:
        """Staff, and with the second factor where there is one."""
        return super().has_permission(request) and not second_factor.is_missing(request)

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Who has shown his password and not his code is asked for the code."""
        if super().has_permission(request) and second_factor.is_missing(request):
            query = urlencode({"next": request.GET.get("next", "")})
            return HttpResponseRedirect(f"{reverse('admin:second_factor')}?{query}")
        answer: HttpResponse = super().login(request, extra_context)
        return answer

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        """Sections nobody placed come last."""
        sections = super().get_app_list(request, app_label)
        place = navigation.order()
        return sorted(sections, key=lambda section: place.get(section["app_label"], len(place)))
