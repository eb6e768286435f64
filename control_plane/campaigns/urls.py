"""Campaigns' part of `/api/v1/`."""

from rest_framework.routers import SimpleRouter

from control_plane.campaigns.api import CampaignViewSet, ItemViewSet

router = SimpleRouter()
router.register("campaigns", CampaignViewSet, basename="campaign")
router.register("items", ItemViewSet, basename="item")
urlpatterns = router.urls
