"""Reports' part of `/api/v1/`."""

from rest_framework.routers import SimpleRouter

from control_plane.reconciliation.api import ReportViewSet

router = SimpleRouter()
router.register("reports", ReportViewSet, basename="report")
urlpatterns = router.urls
