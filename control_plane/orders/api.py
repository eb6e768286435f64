"""`/api/v1/orders/` and `…/reservations/`: what shoppers bought, and what became of a RESERVED."""

from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from control_plane.api.scopes import Scope
from control_plane.api.views import ApiView, ApiViewSet
from control_plane.campaigns.models import Item
from control_plane.config.history import log_deed
from control_plane.config.permissions import requires
from control_plane.config.problems import Conflict
from control_plane.orders import reservations, services
from control_plane.orders.filters import OrderFilter
from control_plane.orders.models import Order, OrderState
from control_plane.orders.serializers import OrderSerializer, ReservationSerializer

NUMBER_PATTERN = r"S[0-9]{10,19}"
NUMBER = OpenApiParameter(
    "number",
    {"type": "string", "pattern": f"^{NUMBER_PATTERN}$", "example": "S0000000042"},
    OpenApiParameter.PATH,
)


class OrderViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Newest first; cancelling needs its own permission."""

    queryset = Order.objects.select_related("item__campaign", "replaces")
    serializer_class = OrderSerializer
    filterset_class = OrderFilter
    lookup_url_kwarg = "number"
    lookup_value_regex = NUMBER_PATTERN
    merchant_paths = ("item__campaign__merchant",)
    scopes = {
        "list": Scope.ORDERS_READ,
        "retrieve": Scope.ORDERS_READ,
        "cancel": Scope.ORDERS_CANCEL,
    }

    def get_object(self) -> Order:
        """By its number, which is its id with an S and zeros."""
        number = self.kwargs["number"]
        found = self.get_queryset().filter(pk=min(int(number[1:]), 2**63 - 1))
        order: Order | None = found.first()
        if order is None or order.number != number:
            raise Http404
        return order

    @extend_schema(parameters=[NUMBER])
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One order."""
        return self.shown(self.get_object())

    @extend_schema(request=None, parameters=[NUMBER])
    @action(detail=True, methods=["post"], permission_classes=[requires("orders.cancel_order")])
    def cancel(self, request: Request, number: str) -> Response:
        """unpaid → cancelled: its units go back on sale, and the shopper sees it."""
        order = self.get_object()
        with transaction.atomic():
            if not services.end_order(order.pk, OrderState.CANCELLED, timezone.now()):
                raise Conflict(detail=_("The order is not unpaid any more."), code="not_unpaid")
            log_deed(request.user, order, _("Cancel order"), by_api=True)
        return self.shown(self.get_object())


class Reservations(ApiView):
    """`GET /api/v1/reservations/{id}/`."""

    permission_classes = (requires("orders.view_order"),)
    scopes = {"get": Scope.RESERVATIONS_READ}

    @extend_schema(
        operation_id="reservations_retrieve",
        responses=ReservationSerializer,
        parameters=[
            OpenApiParameter(
                "reservation_id",
                {"type": "string", "pattern": f"^{reservations.ID_PATTERN}$"},
                OpenApiParameter.PATH,
            )
        ],
    )
    def get(self, request: Request, reservation_id: str) -> Response:
        """What became of it. `undecided`: it is on its way from Redis, or there is none.

        `shown_state` is what the shopper reads at the gateway; `shown_known` is false while the
        work Redis cannot be asked.
        """
        items = Item.objects.filter(pk=reservations.item_of(reservation_id))
        if self.merchant is not None:
            items = items.filter(campaign__merchant=self.merchant)
        if not items.exists():
            raise Http404
        found = asdict(reservations.find(reservation_id))
        return Response(ReservationSerializer(found).data)
