"""Signing sessions for shoppers of the demo shop."""

from datetime import timedelta

from django.conf import settings
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from control_plane.api.views import ApiView
from control_plane.merchants import services
from control_plane.merchants.models import SHOPPER_PATTERN

SESSION_LIFETIME = timedelta(hours=1)


class DemoSessionRequest(serializers.Serializer[None]):
    """The body: who the shopper claims to be."""

    shopper = serializers.RegexField(
        rf"^(?:{SHOPPER_PATTERN.pattern})\Z",
        error_messages={"invalid": "Must be 1 to 64 characters of A-Z a-z 0-9 . _ : -"},
        trim_whitespace=False,
    )


class DemoSessionSerializer(serializers.Serializer[None]):
    """A session JWT."""

    session = serializers.CharField()


class DemoSessions(ApiView):
    """A session for anybody who asks: exists only where SLUICE_DEMO is 1."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="demo_sessions_create",
        request=DemoSessionRequest,
        responses=DemoSessionSerializer,
    )
    def post(self, request: Request) -> Response:
        """Sign a session of the demo shop for `shopper`."""
        if not settings.ENV.demo:
            raise Http404
        body = DemoSessionRequest(data=request.data)
        body.is_valid(raise_exception=True)
        session = services.sign_session(
            services.ensure_demo_merchant(),
            body.validated_data["shopper"],
            SESSION_LIFETIME,
            timezone.now(),
        )
        return Response({"session": session})
