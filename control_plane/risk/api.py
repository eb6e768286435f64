"""`/api/v1/risk-rules/`, `/api/v1/rate-limits/`, `/api/v1/bans/`: the admin's rules for tools."""

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError as ModelValidationError
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from control_plane.api.views import ApiViewSet
from control_plane.config.permissions import requires
from control_plane.config.problems import Conflict
from control_plane.risk import services
from control_plane.risk.models import Ban, BanSource, RateLimit, RiskRule

if TYPE_CHECKING:
    from django.contrib.auth.models import User


ID_PATTERN = "[0-9]{1,18}"


class _ByService(serializers.ModelSerializer[Any]):
    """Saving calls a service; what that refuses is reported like what the fields refuse."""

    def save(self, **kwargs: Any) -> Any:
        """Raises ValidationError by field, Conflict for what is over."""
        try:
            return super().save(**kwargs)
        except ModelValidationError as error:
            raise serializers.ValidationError(serializers.as_serializer_error(error)) from error
        except (services.RuleOver, services.LimitGone) as error:
            raise _conflict(error) from error

    def user(self) -> Any:
        """Who asks."""
        return self.context["request"].user


class RuleSerializer(_ByService):
    """A rule; which of the fields it needs depends on its kind."""

    created_by: "serializers.SlugRelatedField[User]" = serializers.SlugRelatedField(
        slug_field="username", read_only=True, allow_null=True
    )

    class Meta:
        model = RiskRule
        fields = [
            "id",
            "item",
            "kind",
            "mode",
            "action",
            "priority",
            "cidr",
            "value",
            "min_score",
            "of",
            "more_than",
            "within_s",
            "until",
            "note",
            "created_at",
            "created_by",
            "ended_at",
        ]
        read_only_fields = ["created_at", "ended_at"]

    def create(self, validated_data: dict[str, Any]) -> RiskRule:
        """In force from now."""
        return services.create_rule(validated_data, self.user(), timezone.now())

    def update(self, instance: RiskRule, validated_data: dict[str, Any]) -> RiskRule:
        """These fields."""
        return services.change_rule(instance.pk, validated_data, self.user(), timezone.now())


class LimitSerializer(_ByService):
    """A rate limit."""

    class Meta:
        model = RateLimit
        fields = ["id", "by", "level", "per_s", "burst"]
        # Said by the model, with a sentence of its own.
        validators: list[Any] = []

    def create(self, validated_data: dict[str, Any]) -> RateLimit:
        """In force at once."""
        return services.create_limit(validated_data, self.user(), timezone.now())

    def update(self, instance: RateLimit, validated_data: dict[str, Any]) -> RateLimit:
        """These fields."""
        return services.change_limit(instance.pk, validated_data, self.user(), timezone.now())


class BanSerializer(_ByService):
    """A ban; banning what is banned extends it."""

    by: "serializers.SlugRelatedField[User]" = serializers.SlugRelatedField(
        slug_field="username", read_only=True, allow_null=True
    )
    lifted_by: "serializers.SlugRelatedField[User]" = serializers.SlugRelatedField(
        slug_field="username", read_only=True, allow_null=True
    )

    class Meta:
        model = Ban
        fields = [
            "id",
            "kind",
            "value",
            "until",
            "reason",
            "source",
            "by",
            "created_at",
            "ended_at",
            "lifted_by",
        ]
        read_only_fields = ["source", "created_at", "ended_at"]
        validators: list[Any] = []

    def create(self, validated_data: dict[str, Any]) -> Ban:
        """The ban that is in force then."""
        return services.ban(**validated_data, source=BanSource.PERSON, by=self.user())


class RuleViewSet(
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.CreateModelMixin,
    mixins.UpdateModelMixin,
    ApiViewSet,
):
    """In their order, ended ones too; a rule is ended, not deleted."""

    queryset = RiskRule.objects.select_related("created_by")
    serializer_class = RuleSerializer
    lookup_value_regex = ID_PATTERN
    cursor_ordering = "pk"

    @extend_schema(request=None)
    @action(detail=True, methods=["post"], permission_classes=[requires("risk.change_riskrule")])
    def end(self, request: Request, pk: str) -> Response:
        """Out of force for good."""
        user: Any = request.user
        try:
            rule = services.end_rule(self.get_object().pk, user, timezone.now())
        except services.RuleOver as error:
            raise _conflict(error) from error
        return Response(self.get_serializer(rule).data)


class LimitViewSet(
    mixins.CreateModelMixin,
    mixins.RetrieveModelMixin,
    mixins.UpdateModelMixin,
    mixins.DestroyModelMixin,
    mixins.ListModelMixin,
    ApiViewSet,
):
    """Everybody's first."""

    queryset = RateLimit.objects.order_by("level", "by")
    serializer_class = LimitSerializer
    lookup_value_regex = ID_PATTERN
    cursor_ordering = "pk"

    def perform_destroy(self, instance: RateLimit) -> None:
        """By its service."""
        user: Any = self.request.user
        try:
            services.remove_limit(instance.pk, user, timezone.now())
        except services.LimitGone as error:
            raise _conflict(error) from error


class BanViewSet(
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.CreateModelMixin,
    ApiViewSet,
):
    """Newest first, those that are over too."""

    queryset = Ban.objects.select_related("by", "lifted_by")
    serializer_class = BanSerializer
    lookup_value_regex = ID_PATTERN

    @extend_schema(request=None)
    @action(detail=True, methods=["post"], permission_classes=[requires("risk.lift_ban")])
    def lift(self, request: Request, pk: str) -> Response:
        """Before its time."""
        user: Any = request.user
        try:
            ban = services.lift(self.get_object(), user)
        except services.BanOver as error:
            raise _conflict(error) from error
        return Response(self.get_serializer(ban).data)


def _conflict(error: Any) -> Conflict:
    return Conflict(detail=str(error.message), code=error.code)
