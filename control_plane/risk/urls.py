"""The part of `/api/v1/` about robots and abuse."""

from rest_framework.routers import SimpleRouter

from control_plane.risk.api import BanViewSet, LimitViewSet, RuleViewSet

router = SimpleRouter()
router.register("risk-rules", RuleViewSet, basename="risk-rule")
router.register("rate-limits", LimitViewSet, basename="rate-limit")
router.register("bans", BanViewSet, basename="ban")
urlpatterns = router.urls
