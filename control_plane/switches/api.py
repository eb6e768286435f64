"""`/api/v1/switches/` for the operators' own tools; the same rules as in the admin."""

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError as ModelValidationError
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from control_plane.api.authentication import key_of
from control_plane.api.scopes import Scope as KeyScope
from control_plane.api.views import ApiViewSet
from control_plane.campaigns.models import Campaign, Item
from control_plane.campaigns.serializers import ReasonSerializer
from control_plane.config.permissions import StaffWithModelPermissions, requires
from control_plane.config.problems import Conflict
from control_plane.switches import services
from control_plane.switches.known import SWITCHES
from control_plane.switches.models import SwitchThrow

if TYPE_CHECKING:
    from django.contrib.auth.models import User

THROW = "switches.throw_switch"
ITEM_NUMBER = {"type": "integer", "minimum": 1, "maximum": 10**18 - 1}
VALUE = {
    "oneOf": [{"type": "boolean"}, {"type": "number"}, {"type": "string"}],
    "description": "true or false, a number, or one of the switch's words.",
    "example": False,
}


class SwitchFilter(filters.FilterSet):
    """By name, and by whether it is over."""

    name = filters.MultipleChoiceFilter(choices=[(name, name) for name in SWITCHES])
    in_force = filters.ChoiceFilter(
        choices=[("1", "1"), ("0", "0")], method="only_in_force", help_text="1: in force, 0: over."
    )

    class Meta:
        model = SwitchThrow
        fields: list[str] = []

    def only_in_force(
        self, found: QuerySet[SwitchThrow], _name: str, wanted: str
    ) -> QuerySet[SwitchThrow]:
        """By the clock of this moment."""
        running = services.in_force(timezone.now()).values("pk")
        return found.filter(pk__in=running) if wanted == "1" else found.exclude(pk__in=running)


@extend_schema_field(VALUE)
class ValueField(serializers.JSONField):
    """Of the switch's own type, which its name decides."""


class EffectiveSerializer(serializers.Serializer[None]):
    """By switch, what holds."""

    def get_fields(self) -> dict[str, Any]:
        """One for each switch there is."""
        return {name: ValueField() for name in SWITCHES}


class _OwnCampaign(serializers.SlugRelatedField[Campaign]):
    """For a key those of its merchant."""

    def get_queryset(self) -> QuerySet[Campaign]:
        """All, or those."""
        key = key_of(self.context.get("request"))
        every = Campaign.objects.all()
        return every if key is None else every.filter(merchant=key.merchant)


class _OwnItem(serializers.PrimaryKeyRelatedField[Item]):
    """For a key those of its merchant."""

    def get_queryset(self) -> QuerySet[Item]:
        """All, or those."""
        key = key_of(self.context.get("request"))
        every = Item.objects.select_related("campaign")
        return every if key is None else every.filter(campaign__merchant=key.merchant)


class SwitchSerializer(serializers.ModelSerializer[SwitchThrow]):
    """A throw: everywhere unless it names a campaign or an item."""

    campaign = _OwnCampaign(
        slug_field="slug", queryset=Campaign.objects.all(), required=False, allow_null=True
    )
    item = _OwnItem(
        queryset=Item.objects.select_related("campaign"), required=False, allow_null=True
    )
    value = ValueField()
    by: "serializers.SlugRelatedField[User]" = serializers.SlugRelatedField(
        slug_field="username", read_only=True, allow_null=True
    )
    reverted_at = serializers.DateTimeField(
        source="reverted.at", read_only=True, default=None, allow_null=True
    )
    reverted_by = serializers.SerializerMethodField()
    revert_reason = serializers.CharField(
        source="reverted.reason", read_only=True, default=None, allow_null=True
    )

    class Meta:
        model = SwitchThrow
        fields = [
            "id",
            "name",
            "scope",
            "campaign",
            "item",
            "value",
            "reason",
            "by",
            "created_at",
            "until",
            "reverted_at",
            "reverted_by",
            "revert_reason",
        ]
        read_only_fields = ["scope", "created_at"]

    def get_reverted_by(self, throw: SwitchThrow) -> str | None:
        """A user's name, "clock", "" for the command line; null while it was not reverted."""
        reverted = getattr(throw, "reverted", None)
        if reverted is None:
            return None
        if reverted.by_clock:
            return "clock"
        return reverted.by.username if reverted.by is not None else ""

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        """Everywhere is everybody's: a merchant's key names what it is about."""
        is_everywhere = values.get("campaign") is None and values.get("item") is None
        if key_of(self.context["request"]) is not None and is_everywhere:
            said = _("An API key throws a switch for a campaign or an item, not everywhere.")
            raise serializers.ValidationError({"campaign": [said]})
        return values

    def create(self, validated_data: dict[str, Any]) -> SwitchThrow:
        """Throw it; what the service refuses is reported like what the fields refuse."""
        by = self.context["request"].user
        try:
            return services.throw(**validated_data, by=by, now=timezone.now())
        except ModelValidationError as error:
            raise serializers.ValidationError(serializers.as_serializer_error(error)) from error


class _MayThrow(StaffWithModelPermissions):
    """Throwing is more than adding a row."""

    perms_map = {**StaffWithModelPermissions.perms_map, "POST": [THROW]}


class SwitchViewSet(
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.CreateModelMixin,
    ApiViewSet,
):
    """The history, newest first, throw, and revert."""

    queryset = SwitchThrow.objects.select_related("campaign", "by", "reverted__by")
    serializer_class = SwitchSerializer
    permission_classes = (_MayThrow,)
    filterset_class = SwitchFilter
    lookup_value_regex = "[0-9]{1,18}"
    merchant_paths = ("campaign__merchant", "item__campaign__merchant")
    scopes = {
        "list": KeyScope.SWITCHES_READ,
        "retrieve": KeyScope.SWITCHES_READ,
        "effective": KeyScope.SWITCHES_READ,
        "create": KeyScope.SWITCHES_WRITE,
        "revert": KeyScope.SWITCHES_WRITE,
    }

    @extend_schema(
        operation_id="switches_effective",
        parameters=[OpenApiParameter("item", ITEM_NUMBER, description="For this item.")],
        responses=EffectiveSerializer,
        filters=False,
    )
    @action(detail=False, pagination_class=None, filterset_class=None)
    def effective(self, request: Request) -> Response:
        """What holds now: everywhere, or for `?item=`."""
        values = services.effective(timezone.now())
        number = request.query_params.get("item")
        if number is None:
            return Response(values.everywhere())
        if not (number.isascii() and number.isdecimal() and len(number) <= 18):
            raise serializers.ValidationError({"item": [_("A valid integer is required.")]})
        item = Item.objects.filter(pk=int(number)).first()
        is_theirs = item and self.merchant not in (None, item.campaign.merchant)
        if item is None or is_theirs:
            raise serializers.ValidationError({"item": [_("There is no such item.")]})
        return Response(values.of(item.campaign_id, item.pk))

    @extend_schema(request=ReasonSerializer)
    @action(detail=True, methods=["post"], permission_classes=[requires(THROW)])
    def revert(self, request: Request, pk: str) -> Response:
        """Take it back."""
        thrown, said = self.get_object(), ReasonSerializer(data=request.data)
        said.is_valid(raise_exception=True)
        user: Any = request.user
        try:
            services.revert(thrown.pk, **said.validated_data, by=user, now=timezone.now())
        except services.NotInForce as error:
            raise Conflict(detail=str(error.message), code=error.code) from error
        return Response(self.get_serializer(self.get_object()).data)
