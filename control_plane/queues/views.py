"""`/api/v1/draws/`: public, because anybody may check a draw; nothing before the reveal."""

from typing import Any

from django.http import Http404, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

from control_plane.api.views import ApiView
from control_plane.queues import record
from control_plane.queues.models import Draw


class DrawSerializer(serializers.Serializer[None]):
    """The record without its rows, which follow from it."""

    item = serializers.IntegerField()
    algorithm = serializers.CharField()
    commit = serializers.CharField()
    seed = serializers.CharField()
    sizes = serializers.ListField(child=serializers.IntegerField())
    buckets = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField()
    revealed_at = serializers.DateTimeField()


class _Public(ApiView):
    """Nobody is asked who he is, and limits stand in front (the gateway's)."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()


class _Whatever(BaseContentNegotiation):
    """There is one thing to be had, whatever was asked for."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """None is needed."""
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        """Of refusals."""
        return renderers[0], renderers[0].media_type


def _revealed(item_id: int) -> Draw:
    """The draw; before its reveal there is none for the public, not even whether it exists."""
    draw = Draw.objects.filter(pk=item_id, revealed_at__isnull=False).first()
    if draw is None:
        raise Http404
    return draw


class Summary(_Public):
    """`GET /api/v1/draws/{item}/`."""

    @extend_schema(operation_id="draws_retrieve", responses=DrawSerializer)
    def get(self, request: Request, item_id: int) -> Response:
        """Commitment, seed, sizes, algorithm and times."""
        return Response(record.summary(_revealed(item_id)))


class Rows(_Public):
    """`GET /api/v1/draws/{item}/record.csv`."""

    content_negotiation_class = _Whatever

    @extend_schema(
        operation_id="draws_record",
        responses={
            (200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, "bucket,lobby_number,place")
        },
    )
    def get(self, request: Request, item_id: int) -> StreamingHttpResponse:
        """Everybody's place, as a CSV file that is computed while it is sent."""
        response = StreamingHttpResponse(record.pieces(_revealed(item_id)), content_type="text/csv")
        # What was revealed never changes, and a row costs 30 µs: who is in front may keep it.
        response["Cache-Control"] = "public, max-age=86400, immutable"
        response["Content-Disposition"] = f'attachment; filename="draw-{item_id}.csv"'
        return response
