"""Campaigns' part of `/api/v1/`."""

from rest_framework.routers import SimpleRouter

from control_plane.campaigns.api import CampaignViewSet

router = SimpleRouter()
router.register("campaigns", CampaignViewSet, basename="campaign")
urlpatterns = router.urls
