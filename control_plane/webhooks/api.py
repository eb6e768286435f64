"""`/api/v1/webhooks/…`: endpoints, their secrets, and the log of what was delivered."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from control_plane.api.scopes import Scope
from control_plane.api.views import ApiViewSet
from control_plane.config.history import log_deed
from control_plane.config.permissions import requires
from control_plane.config.problems import Conflict
from control_plane.webhooks import services
from control_plane.webhooks.filters import DeliveryFilter, EndpointFilter
from control_plane.webhooks.models import Delivery, Endpoint
from control_plane.webhooks.serializers import (
    DeliverySerializer,
    EndpointSerializer,
    EndpointWithSecretSerializer,
    WholeDeliverySerializer,
)

ID_PATTERN = "[0-9]{1,18}"
ROTATE = requires("webhooks.rotate_secret")


class EndpointViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.DestroyModelMixin, ApiViewSet
):
    """A secret is said in the answer that makes it, and never again."""

    queryset = Endpoint.objects.select_related("merchant").prefetch_related("secrets")
    serializer_class = EndpointSerializer
    filterset_class = EndpointFilter
    lookup_value_regex = ID_PATTERN
    merchant_paths = ("merchant",)
    scopes = {
        "list": Scope.WEBHOOKS_READ,
        "retrieve": Scope.WEBHOOKS_READ,
        "create": Scope.WEBHOOKS_WRITE,
        "partial_update": Scope.WEBHOOKS_WRITE,
        "destroy": Scope.WEBHOOKS_WRITE,
        "ping": Scope.WEBHOOKS_WRITE,
        "rotate_secret": Scope.WEBHOOKS_WRITE,
        "retire_secret": Scope.WEBHOOKS_WRITE,
    }

    @extend_schema(request=EndpointSerializer, responses={201: EndpointWithSecretSerializer})
    def create(self, request: Request) -> Response:
        """A new endpoint, with its first secret: keep it, it is not said again."""
        form = self.get_serializer(data=request.data)
        form.is_valid(raise_exception=True)
        with _once_per_merchant():
            made = services.create_endpoint(Endpoint(**form.validated_data), timezone.now())
        return self._with_secret(made, status.HTTP_201_CREATED)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Its address, its events, on or off. Back on, its troubles are forgotten."""
        endpoint = self.get_object()
        form = self.get_serializer(endpoint, data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        with _once_per_merchant():
            services.change_endpoint(endpoint, form.validated_data)
        return self.shown(self.get_object())

    def perform_destroy(self, instance: Endpoint) -> None:
        """One that was never told anything goes; otherwise its log stays, and off is off."""
        try:
            services.delete_endpoint(instance)
        except services.HasLog as error:
            raise Conflict(detail=str(error.message), code=error.code) from error

    @extend_schema(request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"], permission_classes=[requires("webhooks.ping_endpoint")])
    def ping(self, request: Request, pk: str) -> Response:
        """Send a test: the delivery says what came of it."""
        endpoint = self.get_object()
        if not endpoint.active:
            raise Conflict(detail=_("The endpoint is off."), code="endpoint_off")
        with transaction.atomic():
            made = services.ping(endpoint, timezone.now())
            log_deed(request.user, endpoint, _("Send a test"), by_api=True)
        return Response(DeliverySerializer(made).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses={201: EndpointWithSecretSerializer})
    @action(detail=True, methods=["post"], permission_classes=[ROTATE])
    def rotate_secret(self, request: Request, pk: str) -> Response:
        """A new secret that signs beside the newest one there is; an older one ends at once."""
        endpoint = self.get_object()
        with transaction.atomic():
            services.rotate_secret(endpoint, timezone.now())
            log_deed(request.user, endpoint, _("Rotate the secret"), by_api=True)
        return self._with_secret(endpoint, status.HTTP_201_CREATED)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"], permission_classes=[ROTATE])
    def retire_secret(self, request: Request, pk: str) -> Response:
        """End the older secret: your server verifies by the newest."""
        endpoint = self.get_object()
        with transaction.atomic():
            if not services.retire_secret(endpoint):
                raise Conflict(detail=_("There is only one secret."), code="one_secret")
            log_deed(request.user, endpoint, _("End the older secret"), by_api=True)
        return self.shown(self.get_object())

    def _with_secret(self, endpoint: Endpoint, code: int) -> Response:
        found = self.get_queryset().get(pk=endpoint.pk)
        shown = EndpointWithSecretSerializer(found, context={"request": self.request})
        return Response(shown.data, status=code, headers={"Cache-Control": "no-store"})


class DeliveryViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """The log of 30 days, newest first."""

    queryset = Delivery.objects.all()
    serializer_class = DeliverySerializer
    filterset_class = DeliveryFilter
    lookup_value_regex = ID_PATTERN
    merchant_paths = ("endpoint__merchant",)
    scopes = {
        "list": Scope.WEBHOOKS_READ,
        "retrieve": Scope.WEBHOOKS_READ,
        "redeliver": Scope.WEBHOOKS_WRITE,
    }

    @extend_schema(responses=WholeDeliverySerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """With its body and each attempt."""
        return Response(WholeDeliverySerializer(self.get_object()).data)

    @extend_schema(request=None, responses={202: DeliverySerializer})
    @action(
        detail=True,
        methods=["post"],
        permission_classes=[requires("webhooks.redeliver_delivery")],
    )
    def redeliver(self, request: Request, pk: str) -> Response:
        """Send it again, with its event id; what waits goes out now."""
        delivery = self.get_object()
        with transaction.atomic():
            if not services.redeliver([delivery.pk], timezone.now()):
                raise Conflict(detail=_("It is being sent."), code="being_sent")
            log_deed(request.user, delivery, _("Deliver again"), by_api=True)
        again = self.get_object()
        return Response(DeliverySerializer(again).data, status=status.HTTP_202_ACCEPTED)


@contextmanager
def _once_per_merchant() -> Iterator[None]:
    """Two endpoints of a merchant with one address: the table decides, also of two at once."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if "endpoint_once_per_merchant" not in str(error):
            raise
        said = _("The merchant has this address already.")
        raise serializers.ValidationError({"url": [said]}) from error
