"""`/api/v1/campaigns/` for the merchant's own tools; the same rules as in the admin."""

from typing import Any

from django.core.exceptions import ValidationError as ModelValidationError
from django.utils import timezone
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from control_plane.campaigns import services
from control_plane.campaigns.models import Campaign, Item, QueueBucket
from control_plane.config.permissions import requires
from control_plane.config.problems import Conflict
from control_plane.merchants.models import Merchant


class ItemSerializer(serializers.ModelSerializer[Item]):
    """An item; the path_key is not shown, since nobody may know it before the start."""

    class Meta:
        model = Item
        fields = [
            "id",
            "sku",
            "title",
            "units",
            "price_minor",
            "currency",
            "limit_per_shopper",
            "queue_mode",
        ]


class BucketSerializer(serializers.ModelSerializer[QueueBucket]):
    """A bucket of the queue; their order is the list's."""

    class Meta:
        model = QueueBucket
        fields = ["name", "weight"]


class CampaignSerializer(serializers.ModelSerializer[Campaign]):
    """A campaign with its items; the state is changed by `approve` and `end` only."""

    merchant = serializers.SlugRelatedField(slug_field="slug", queryset=Merchant.objects.all())
    items = ItemSerializer(many=True, allow_empty=False)
    buckets = BucketSerializer(many=True, required=False)

    class Meta:
        model = Campaign
        fields = [
            "id",
            "slug",
            "title",
            "merchant",
            "state",
            "starts_at",
            "ends_at",
            "items",
            "queue_k",
            "queue_grace_s",
            "lobby_minutes",
            "human_check",
            "pay_minutes",
            "buys_again",
            "settled_at",
            "buckets",
        ]
        read_only_fields = ["state", "settled_at"]

    def create(self, validated_data: dict[str, Any]) -> Campaign:
        """A draft; what the models refuse is reported like what the fields refuse."""
        try:
            return services.create_draft(validated_data.pop("merchant"), **validated_data)
        except ModelValidationError as error:
            raise serializers.ValidationError(serializers.as_serializer_error(error)) from error


class CampaignViewSet(
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.CreateModelMixin,
    viewsets.GenericViewSet[Campaign],
):
    """List, create, retrieve; approve and end need their own permissions."""

    queryset = Campaign.objects.select_related("merchant").prefetch_related("items", "buckets")
    serializer_class = CampaignSerializer
    lookup_field = "slug"

    @action(
        detail=True,
        methods=["post"],
        permission_classes=[requires("campaigns.approve_campaign")],
    )
    def approve(self, request: Request, slug: str) -> Response:
        """draft → approved."""
        return self._move(services.approve)

    @action(detail=True, methods=["post"], permission_classes=[requires("campaigns.end_campaign")])
    def end(self, request: Request, slug: str) -> Response:
        """approved or live → ended."""
        return self._move(services.end_now)

    @action(
        detail=True,
        methods=["post"],
        permission_classes=[requires("campaigns.rotate_path_keys")],
    )
    def rotate_path_keys(self, request: Request, slug: str) -> Response:
        """New hidden buy addresses; those before are good for two minutes."""
        return self._move(services.rotate_path_keys)

    def _move(self, move: Any) -> Response:
        try:
            campaign = move(self.get_object(), self.request.user, timezone.now())
        except services.CampaignError as error:
            raise _conflict(error) from error
        return Response(self.get_serializer(campaign).data)


def _conflict(error: services.CampaignError) -> Conflict:
    return Conflict(detail=str(error.message), code=error.code)
