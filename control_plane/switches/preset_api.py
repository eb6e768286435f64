"""`/api/v1/presets/`: what operators do together in an emergency, for their own tools.

Everywhere is everybody's, so no merchant's key may. The typed word of the console is not asked for:
a program has no finger that slips.
"""

from typing import Any

from django.core.exceptions import ValidationError as ModelValidationError
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from control_plane.api.views import ApiView
from control_plane.campaigns.serializers import ReasonSerializer
from control_plane.config.permissions import requires
from control_plane.config.problems import Conflict
from control_plane.inventory.errors import AlreadyThere, InventoryError
from control_plane.switches import console, presets, services
from control_plane.switches.presets import PRESETS, Preset

VIEW, THROW = "switches.view_switchthrow", "switches.throw_switch"
CHANGE_SOURCE = "inventory.switch_stocksource"
NAME = OpenApiParameter("name", str, OpenApiParameter.PATH, enum=list(PRESETS))


class PresetSerializer(serializers.Serializer[None]):
    """A preset; `since` is null while nothing of it is in force."""

    name = serializers.CharField(source="preset.name")
    title = serializers.CharField(source="preset.label")
    help = serializers.CharField(source="preset.help")
    since = serializers.DateTimeField(allow_null=True)
    by = serializers.SerializerMethodField()
    reason = serializers.CharField()

    def get_by(self, row: console.PresetRow) -> str | None:
        """A user's name; null for the command line."""
        return None if row.by is None else str(row.by)


class ThrowPresetSerializer(ReasonSerializer):
    """Why, and until when; a stock source does not change back by itself."""

    until = serializers.DateTimeField(required=False, allow_null=True, default=None)


class PresetViewSet(ApiView, ViewSet):
    """All of a preset, or nothing."""

    lookup_field = "name"
    lookup_value_regex = "[a-z0-9]{1,16}"
    permission_classes = (requires(VIEW),)

    @extend_schema(
        operation_id="presets_list",
        responses=PresetSerializer(many=True),
        filters=False,
    )
    def list(self, request: Request) -> Response:
        """What there is, and what of it is in force."""
        return Response(PresetSerializer(console.presets(timezone.now()), many=True).data)  # type: ignore[arg-type]

    @extend_schema(request=ThrowPresetSerializer, responses=PresetSerializer, parameters=[NAME])
    @action(detail=True, methods=["post"], permission_classes=[requires(THROW)])
    def throw(self, request: Request, name: str) -> Response:
        """Throw all of it, everywhere."""
        preset, said = _preset(request, name), _said(ThrowPresetSerializer, request)
        if preset.source and said["until"] is not None:
            words = _("A stock source does not change back by itself.")
            raise serializers.ValidationError({"until": [words]})
        by: Any = request.user
        try:
            presets.throw_preset(preset, by=by, now=timezone.now(), **said)
        except ModelValidationError as error:
            raise serializers.ValidationError(serializers.as_serializer_error(error)) from error
        except InventoryError as error:
            raise _conflict(error) from error
        return _shown(preset)

    @extend_schema(request=ReasonSerializer, responses=PresetSerializer, parameters=[NAME])
    @action(detail=True, methods=["post"], permission_classes=[requires(THROW)])
    def revert(self, request: Request, name: str) -> Response:
        """Take all of it back: what was in force before it is in force again."""
        preset, said = _preset(request, name), _said(ReasonSerializer, request)
        by: Any = request.user
        try:
            presets.revert_preset(preset, by=by, now=timezone.now(), **said)
        except services.NotInForce as error:
            raise Conflict(detail=str(error.message), code=error.code) from error
        except InventoryError as error:
            raise _conflict(error) from error
        return _shown(preset)


def _preset(request: Request, name: str) -> Preset:
    preset = PRESETS.get(name)
    if preset is None or not preset.is_offered():
        raise Http404
    if preset.source and not request.user.has_perm(CHANGE_SOURCE):
        raise exceptions.PermissionDenied
    return preset


def _said(form: type[serializers.Serializer[None]], request: Request) -> dict[str, Any]:
    body = form(data=request.data)
    body.is_valid(raise_exception=True)
    said: dict[str, Any] = body.validated_data
    return said


def _conflict(error: InventoryError) -> Conflict:
    code = "already_there" if isinstance(error, AlreadyThere) else Conflict.default_code
    return Conflict(detail=str(error.message), code=code)


def _shown(preset: Preset) -> Response:
    (row,) = (one for one in console.presets(timezone.now()) if one.preset is preset)
    return Response(PresetSerializer(row).data)  # type: ignore[arg-type]
