"""Endpoints and deliveries as the API shows and takes them."""

from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from control_plane.campaigns.serializers import OwnMerchant
from control_plane.merchants.models import Merchant
from control_plane.outgoing import addresses
from control_plane.webhooks.models import ORDER_TYPES, URL_LENGTH_MAX, Attempt, Delivery, Endpoint
from control_plane.webhooks.refusals import REFUSALS

EVENTS = [(one.value, one.label) for one in ORDER_TYPES]


class EndpointSerializer(serializers.ModelSerializer[Endpoint]):
    """An address, and how it is doing. `secrets` says how many sign: two while one is replaced."""

    merchant = OwnMerchant(slug_field="slug", queryset=Merchant.objects.all())
    url = serializers.CharField(max_length=URL_LENGTH_MAX)
    events = serializers.ListField(
        child=serializers.ChoiceField(EVENTS), allow_empty=False, max_length=len(EVENTS)
    )
    secrets = serializers.SerializerMethodField()

    class Meta:
        model = Endpoint
        fields = [
            "id",
            "merchant",
            "url",
            "events",
            "active",
            "off_reason",
            "secrets",
            "created_at",
            "failures",
            "failing_since",
            "not_before",
            "last_delivered_at",
        ]
        # Said at the address, and by the table: see `_once_per_merchant`.
        validators: list[Any] = []
        read_only_fields = [
            "off_reason",
            "created_at",
            "failures",
            "failing_since",
            "not_before",
            "last_delivered_at",
        ]

    def get_secrets(self, endpoint: Endpoint) -> int:
        """How many; what they are is said once."""
        return len(endpoint.secrets.all())

    def validate_url(self, url: str) -> str:
        """As the sender would refuse it; names are looked up when they are called."""
        try:
            addresses.parse(url, private=settings.ENV.webhooks_private)
        except addresses.BadAddress as error:
            raise serializers.ValidationError(str(REFUSALS[error.code]), error.code) from error
        return url

    def validate_events(self, events: list[str]) -> list[str]:
        """Each once, in their own order."""
        return [value for value, _label in EVENTS if value in events]

    def validate_merchant(self, merchant: Merchant) -> Merchant:
        """Another merchant's endpoint is another endpoint."""
        if self.instance is not None and merchant != self.instance.merchant:
            raise serializers.ValidationError(_("An endpoint keeps its merchant."))
        return merchant


class EndpointWithSecretSerializer(EndpointSerializer):
    """The same with its newest secret, in the one answer that says it."""

    secret = serializers.SerializerMethodField()

    class Meta(EndpointSerializer.Meta):
        fields = [*EndpointSerializer.Meta.fields, "secret"]

    @extend_schema_field({"type": "string", "example": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
    def get_secret(self, endpoint: Endpoint) -> str:
        """The newest."""
        return max(endpoint.secrets.all(), key=lambda one: one.pk).secret


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    """A request that was made, or perhaps made."""

    class Meta:
        model = Attempt
        fields = ["number", "at", "duration_ms", "status", "error", "answer"]
        read_only_fields = fields


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    """An event for an endpoint, without what was sent."""

    class Meta:
        model = Delivery
        fields = [
            "id",
            "endpoint",
            "event_id",
            "type",
            "subject",
            "order_number",
            "state",
            "attempts_made",
            "next_try_at",
            "created_at",
            "finished_at",
        ]
        read_only_fields = fields


class WholeDeliverySerializer(DeliverySerializer):
    """With the body, the same bytes at every attempt, and each attempt."""

    attempts = AttemptSerializer(many=True, read_only=True)

    class Meta(DeliverySerializer.Meta):
        fields = [*DeliverySerializer.Meta.fields, "body", "attempts"]
        read_only_fields: Any = fields
