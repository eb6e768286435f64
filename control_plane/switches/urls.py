"""Switches' part of `/api/v1/`."""

from rest_framework.routers import SimpleRouter

from control_plane.switches.api import SwitchViewSet
from control_plane.switches.preset_api import PresetViewSet

router = SimpleRouter()
router.register("switches", SwitchViewSet, basename="switch")
router.register("presets", PresetViewSet, basename="preset")
urlpatterns = router.urls
