"""Campaigns and items as the API shows and takes them."""

from typing import Any

from django.core.exceptions import ValidationError as ModelValidationError
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from control_plane.api.authentication import key_of
from control_plane.campaigns import services
from control_plane.campaigns.content import ITEM_FIELDS
from control_plane.campaigns.models import BUCKETS_MAX, Campaign, Item, QueueBucket
from control_plane.campaigns.steps import COMMENT_LENGTH_MAX
from control_plane.inventory.reasons import REASON_LENGTH_MAX
from control_plane.merchants.models import Merchant

ITEMS_MAX = 500
# Apart: the stubs do not know that `many` hands it on.
AT_MOST_ITEMS: dict[str, Any] = {"max_length": ITEMS_MAX}
AT_MOST_BUCKETS: dict[str, Any] = {"max_length": BUCKETS_MAX}


class ItemSerializer(serializers.ModelSerializer[Item]):
    """An item; the path_key is not shown, since nobody may know it before the start."""

    class Meta:
        model = Item
        fields = ["id", *ITEM_FIELDS]


class ItemOfCampaignSerializer(serializers.ModelSerializer[Item]):
    """An item by itself, with the campaign it is in."""

    campaign: "serializers.SlugRelatedField[Campaign]" = serializers.SlugRelatedField(
        slug_field="slug", read_only=True
    )

    class Meta:
        model = Item
        fields = [*ItemSerializer.Meta.fields, "campaign"]


class BucketSerializer(serializers.ModelSerializer[QueueBucket]):
    """A bucket of the queue; their order is the list's."""

    class Meta:
        model = QueueBucket
        fields = ["name", "weight"]


class OwnMerchant(serializers.SlugRelatedField[Merchant]):
    """For a key its own: another's is told from none by nobody."""

    def get_queryset(self) -> Any:
        """All, or one."""
        key = key_of(self.context.get("request"))
        return (
            Merchant.objects.all() if key is None else Merchant.objects.filter(pk=key.merchant_id)
        )


class _Person(serializers.SlugRelatedField[Any]):
    """Somebody's name; of a key `key:<merchant>:<prefix>`. Read only."""

    def __init__(self) -> None:
        super().__init__(slug_field="username", read_only=True, allow_null=True)


class CommentSerializer(serializers.Serializer[None]):
    """What is said with a step; the timeline shows it."""

    comment = serializers.CharField(
        max_length=COMMENT_LENGTH_MAX, required=False, allow_blank=True, default=""
    )


class NeededCommentSerializer(serializers.Serializer[None]):
    """Why: the makers read it."""

    comment = serializers.CharField(max_length=COMMENT_LENGTH_MAX)


class ReasonSerializer(serializers.Serializer[None]):
    """Whoever interferes says why."""

    reason = serializers.CharField(max_length=REASON_LENGTH_MAX)


class PauseSerializer(ReasonSerializer):
    """Of the campaign, or of one of its items."""

    item = serializers.IntegerField(
        min_value=1, max_value=10**18 - 1, required=False, allow_null=True, default=None
    )


class ExtendSerializer(ReasonSerializer):
    """A moment later than the end there is."""

    ends_at = serializers.DateTimeField()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "a draft",
            request_only=True,
            value={
                "slug": "autumn",
                "title": "Autumn sale",
                "merchant": "demo",
                "starts_at": "2027-10-01T12:00:00Z",
                "ends_at": "2027-10-01T13:00:00Z",
                "items": [
                    {
                        "sku": "TEA",
                        "title": "Tea",
                        "units": 500,
                        "price_minor": 1999,
                        "currency": "CNY",
                        "limit_per_shopper": 2,
                        "queue_mode": "draw",
                    }
                ],
                "buckets": [{"name": "vip", "weight": 3}, {"name": "regular", "weight": 1}],
            },
        )
    ]
)
class CampaignSerializer(serializers.ModelSerializer[Campaign]):
    """A campaign with its items; its state is changed by its actions only."""

    merchant = OwnMerchant(slug_field="slug", queryset=Merchant.objects.all())
    items = ItemSerializer(many=True, allow_empty=False, **AT_MOST_ITEMS)
    buckets = BucketSerializer(many=True, required=False, **AT_MOST_BUCKETS)
    submitted_by = _Person()
    approved_by = _Person()

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
            "time_zone",
            "items",
            "queue_k",
            "queue_grace_s",
            "lobby_minutes",
            "human_check",
            "pay_minutes",
            "buys_again",
            "submitted_at",
            "submitted_by",
            "approved_by",
            "settled_at",
            "buckets",
        ]
        read_only_fields = ["state", "submitted_at", "settled_at"]

    def create(self, validated_data: dict[str, Any]) -> Campaign:
        """A draft; what the models refuse is reported like what the fields refuse."""
        try:
            merchant, by = validated_data.pop("merchant"), self.context["request"].user
            return services.create_draft(merchant, by=by, **validated_data)
        except ModelValidationError as error:
            raise serializers.ValidationError(serializers.as_serializer_error(error)) from error

    def update(self, instance: Campaign, validated_data: dict[str, Any]) -> Campaign:
        """These fields of a draft that the caller has locked."""
        try:
            return services.edit_draft(instance, validated_data)
        except ModelValidationError as error:
            raise serializers.ValidationError(serializers.as_serializer_error(error)) from error
