"""Reports' part of `/api/v1/`."""

from rest_framework.routers import SimpleRouter

from control_plane.reconciliation.api import FindingViewSet, ReportViewSet, RunViewSet

router = SimpleRouter()
router.register("reports", ReportViewSet, basename="report")
router.register("reconciliations", RunViewSet, basename="reconciliation")
router.register("findings", FindingViewSet, basename="finding")
urlpatterns = router.urls
