"""Switches' part of `/api/v1/`."""

from rest_framework.routers import SimpleRouter

from control_plane.switches.api import SwitchViewSet

router = SimpleRouter()
router.register("switches", SwitchViewSet, basename="switch")
urlpatterns = router.urls
