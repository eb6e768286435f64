"""`/api/v1/switches/` for the operators' own tools; the same rules as in the admin."""

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError as ModelValidationError
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from control_plane.campaigns.models import Campaign, Item
from control_plane.config.permissions import StaffWithModelPermissions, requires
from control_plane.config.problems import Conflict
from control_plane.switches import services
from control_plane.switches.models import SwitchThrow

if TYPE_CHECKING:
    from django.contrib.auth.models import User

THROW = "switches.throw_switch"


class SwitchSerializer(serializers.ModelSerializer[SwitchThrow]):
    """A throw: everywhere unless it names a campaign or an item."""

    campaign = serializers.SlugRelatedField(
        slug_field="slug", queryset=Campaign.objects.all(), required=False, allow_null=True
    )
    item = serializers.PrimaryKeyRelatedField(
        queryset=Item.objects.select_related("campaign"), required=False, allow_null=True
    )
    by: "serializers.SlugRelatedField[User]" = serializers.SlugRelatedField(
        slug_field="username", read_only=True
    )
    reverted_at = serializers.DateTimeField(source="reverted.at", read_only=True, default=None)
    reverted_by = serializers.SerializerMethodField()

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
    viewsets.GenericViewSet[SwitchThrow],
):
    """The history, newest first (`?in_force=1`: only what is in force), throw, and revert."""

    queryset = SwitchThrow.objects.select_related("campaign", "by", "reverted__by")
    serializer_class = SwitchSerializer
    permission_classes = (_MayThrow,)

    def get_queryset(self) -> QuerySet[SwitchThrow]:
        """Filtered by the address."""
        found = super().get_queryset()
        if self.action == "list" and self.request.query_params.get("in_force") == "1":
            found = found.filter(pk__in=services.in_force(timezone.now()).values("pk"))
        return found

    @action(detail=False)
    def effective(self, request: Request) -> Response:
        """What holds now: everywhere, or for `?item=`."""
        values = services.effective(timezone.now())
        number = request.query_params.get("item")
        if number is None:
            return Response(values.everywhere())
        if not (number.isascii() and number.isdecimal()):
            raise serializers.ValidationError({"item": ["A valid integer is required."]})
        item = Item.objects.filter(pk=int(number)).first()
        if item is None:
            raise serializers.ValidationError({"item": ["There is no such item."]})
        return Response(values.of(item.campaign_id, item.pk))

    @action(detail=True, methods=["post"], permission_classes=[requires(THROW)])
    def revert(self, request: Request, pk: str) -> Response:
        """Take it back."""
        user: Any = request.user
        try:
            services.revert(self.get_object().pk, user, timezone.now())
        except services.NotInForce as error:
            raise Conflict(detail=str(error.message), code=error.code) from error
        return Response(self.get_serializer(self.get_object()).data)
