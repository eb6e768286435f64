"""URLs of the control plane. `/internal/snapshot` is answered before Django, see asgi.py."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from control_plane.api import errors
from control_plane.config import health

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="landing"),
    path("admin/switches/console/", include("control_plane.switches.console_urls")),
    path("admin/", admin.site.urls),
    path("board/", include("control_plane.board.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("api/", include("control_plane.api.urls")),
    path("api/v1/", include("control_plane.campaigns.urls")),
    path("api/v1/", include("control_plane.orders.urls")),
    path("api/v1/", include("control_plane.reconciliation.urls")),
    path("api/v1/", include("control_plane.webhooks.urls")),
    path("api/v1/", include("control_plane.merchants.urls")),
    path("api/v1/", include("control_plane.payments.urls")),
    path("api/v1/", include("control_plane.switches.urls")),
    path("api/v1/", include("control_plane.risk.urls")),
    path("api/v1/", include("control_plane.queues.urls")),
]

handler400 = errors.bad_request
handler403 = errors.permission_denied
handler404 = errors.not_found
handler500 = errors.server_error
