"""Payments of `/api/v1/`: a merchant's tools create them, and the demo's shoppers pay."""

import logging
from typing import Any

from django.conf import settings
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from control_plane.api.scopes import Scope
from control_plane.api.views import ApiView
from control_plane.config.permissions import requires
from control_plane.config.problems import Conflict
from control_plane.merchants import services as merchants
from control_plane.orders.models import Order
from control_plane.payments import providers, services
from control_plane.payments.demo.provider import DemoProvider
from control_plane.payments.errors import ProviderRefused, ProviderUnavailable
from control_plane.payments.models import Payment, PaymentState

log = logging.getLogger(__name__)


class Unavailable(APIException):
    """The provider cannot be reached now; the same request again is safe."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "busy"
    default_detail = "The provider cannot be reached now. Ask again."


class BadToken(APIException):
    """One refusal for every fault of a session, as at the edge."""

    status_code = status.HTTP_401_UNAUTHORIZED
    default_code = "bad_token"
    default_detail = "The session is missing or wrong."


class PaymentRequest(serializers.Serializer[None]):
    """The body: which order, and through whom."""

    order_number = serializers.RegexField(r"^S[0-9]{10,19}\Z", trim_whitespace=False)
    provider = serializers.CharField(max_length=32, trim_whitespace=False)

    def validate_provider(self, name: str) -> str:
        """One that is configured here."""
        try:
            return providers.get(name).name
        except providers.UnknownProvider as error:
            raise serializers.ValidationError("There is no such provider.") from error


class PaymentSerializer(serializers.Serializer[None]):
    """A payment of an order."""

    payment_id = serializers.UUIDField()
    order_number = serializers.CharField()
    amount_minor = serializers.IntegerField()
    currency = serializers.CharField()


class PaymentToPaySerializer(PaymentSerializer):
    """With where the shopper pays, or null."""

    pay_url = serializers.CharField(allow_null=True)


class Payments(ApiView):
    """`POST /api/v1/payments`: for the merchant's own tools."""

    permission_classes = (requires("payments.add_payment"),)
    scopes = {"post": Scope.PAYMENTS_WRITE}
    # The provider is asked, and asking him again is safe.
    keeps_in_one_transaction = False
    more_statuses = ("503",)

    @extend_schema(
        operation_id="payments_create", request=PaymentRequest, responses=PaymentToPaySerializer
    )
    def post(self, request: Request) -> Response:
        """Create the payment of an order, or give the one there is, and have it collected.

        `pay_url` is where the provider wants the shopper to pay, or null. A repeat asks it again.
        """
        body = PaymentRequest(data=request.data)
        body.is_valid(raise_exception=True)
        order_id = int(body.validated_data["order_number"][1:])
        orders = Order.objects.filter(pk=min(order_id, 2**63 - 1))
        if self.merchant is not None:
            orders = orders.filter(item__campaign__merchant=self.merchant)
        order = orders.first()
        if order is None:
            raise Http404
        payment = _create(order, body.validated_data["provider"])
        return Response(_described(payment) | {"pay_url": _begin(payment)})


class DemoPaymentRequest(serializers.Serializer[None]):
    """The body: which reservation of the session's shopper."""

    reservation_id = serializers.RegexField(
        r"^[0-9]{1,19}-[0-9]{1,3}-[A-Za-z0-9_-]{22}\Z", trim_whitespace=False
    )


class DemoPayments(ApiView):
    """`POST /api/v1/demo/payments`: exists only where SLUICE_DEMO is 1."""

    authentication_classes = ()
    permission_classes = ()
    more_statuses = ("401", "503")

    @extend_schema(
        operation_id="demo_payments_create",
        request=DemoPaymentRequest,
        responses={202: PaymentSerializer},
        auth=[{"shopperSession": []}],  # type: ignore[list-item]
    )
    def post(self, request: Request) -> Response:
        """Create the payment and have the demo provider collect it: 202, the status tells when."""
        if not settings.ENV.demo:
            raise Http404
        session = _session(request)
        body = DemoPaymentRequest(data=request.data)
        body.is_valid(raise_exception=True)
        order = (
            Order.objects.filter(
                reservation_id=body.validated_data["reservation_id"],
                shopper=session.shopper,
                item__campaign__merchant__slug=session.merchant,
            )
            .select_related("item")
            .first()
        )
        if order is None:
            # Also a reservation that is not landed yet, and other people's.
            raise Http404
        payment = _create(order, DemoProvider.name)
        _begin(payment)
        return Response(_described(payment), status=status.HTTP_202_ACCEPTED)


def _session(request: Request) -> merchants.Session:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        if kind != "Bearer":
            raise merchants.BadSession
        return merchants.read_session(token, timezone.now())
    except merchants.BadSession as error:
        raise BadToken from error


def _create(order: Order, provider: str) -> Payment:
    try:
        return services.create_payment(order, provider, timezone.now())
    except services.NotPayable as error:
        raise Conflict(detail="The order cannot be paid any more.", code=error.code) from error


def _begin(payment: Payment) -> str | None:
    """Also for a repeat: the callback may have been lost, and is counted once."""
    if payment.state == PaymentState.PAID:
        return None
    try:
        return providers.get(payment.provider).begin(payment)
    except ProviderUnavailable as error:
        raise Unavailable from error
    except ProviderRefused as error:
        log.error("payment %s refused by its provider: %s", payment.pk, error)
        detail = "The provider refuses this payment."
        raise Conflict(detail=detail, code="provider_refused") from error


def _described(payment: Payment) -> dict[str, Any]:
    return {
        "payment_id": str(payment.pk),
        "order_number": payment.order.number,
        "amount_minor": payment.amount_minor,
        "currency": payment.currency,
    }
