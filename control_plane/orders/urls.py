"""Orders' part of `/api/v1/`."""

from django.urls import re_path
from rest_framework.routers import SimpleRouter

from control_plane.orders.api import OrderViewSet, Reservations
from control_plane.orders.reservations import ID_PATTERN

router = SimpleRouter()
router.register("orders", OrderViewSet, basename="order")
urlpatterns = [
    *router.urls,
    re_path(
        rf"^reservations/(?P<reservation_id>{ID_PATTERN})/\Z",
        Reservations.as_view(),
        name="reservation",
    ),
]
