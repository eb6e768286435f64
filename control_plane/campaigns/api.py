"""`/api/v1/campaigns/` and `…/items/` for the merchant's own tools; the admin's rules."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import ValidationError as ModelValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from control_plane.api import etags
from control_plane.api.scopes import Scope
from control_plane.api.views import ApiViewSet
from control_plane.campaigns import services
from control_plane.campaigns.filters import CampaignFilter, ItemFilter
from control_plane.campaigns.models import Campaign, Item
from control_plane.campaigns.serializers import (
    CampaignSerializer,
    CommentSerializer,
    ExtendSerializer,
    ItemOfCampaignSerializer,
    NeededCommentSerializer,
    PauseSerializer,
    ReasonSerializer,
)
from control_plane.config.permissions import requires
from control_plane.config.problems import Conflict

PAUSE = requires("campaigns.pause_campaign")
SEEN = OpenApiParameter(
    etags.IF_MATCH,
    {"type": "string", "pattern": etags.PATTERN},
    OpenApiParameter.HEADER,
    description="The ETag of what you have seen: nothing else is approved.",
)


class CampaignViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.CreateModelMixin, ApiViewSet
):
    """List, create, retrieve, edit a draft; every other step needs its own permission."""

    queryset = Campaign.objects.select_related("merchant").prefetch_related("items", "buckets")
    serializer_class = CampaignSerializer
    filterset_class = CampaignFilter
    lookup_field = "slug"
    lookup_value_regex = "[-a-zA-Z0-9_]{1,50}"
    merchant_paths = ("merchant",)
    if_match = ("partial_update",)
    more_statuses = ("412",)
    scopes = {
        "list": Scope.CAMPAIGNS_READ,
        "retrieve": Scope.CAMPAIGNS_READ,
        "create": Scope.CAMPAIGNS_WRITE,
        "partial_update": Scope.CAMPAIGNS_WRITE,
        "submit": Scope.CAMPAIGNS_WRITE,
        "send_back": Scope.CAMPAIGNS_APPROVE,
        "approve": Scope.CAMPAIGNS_APPROVE,
        "end": Scope.CAMPAIGNS_END,
        "extend": Scope.CAMPAIGNS_EXTEND,
        "pause": Scope.CAMPAIGNS_PAUSE,
        "resume": Scope.CAMPAIGNS_PAUSE,
        "rotate_path_keys": Scope.CAMPAIGNS_END,
    }

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One campaign, with the `ETag` that its next change has to name."""
        return self._shown(self.get_object())

    def partial_update(self, request: Request, slug: str) -> Response:
        """Change a draft: these fields. `items` and `buckets` replace the lists as a whole.

        What was submitted has to be submitted again.
        """
        campaign = self.get_object()
        with transaction.atomic():
            self._lock_draft()
            # Read again: under the lock nobody changes it.
            draft = self.get_object()
            etags.require_match(request, self.get_serializer(draft).data)
            change = self.get_serializer(draft, data=request.data, partial=True)
            change.is_valid(raise_exception=True)
            change.save()
            by: Any = request.user
            services.note_edit(draft, by, timezone.now())
        return self._shown(self.get_queryset().get(pk=campaign.pk))

    @extend_schema(request=CommentSerializer)
    @action(
        detail=True,
        methods=["post"],
        permission_classes=[requires("campaigns.submit_campaign")],
    )
    def submit(self, request: Request, slug: str) -> Response:
        """Ask for the approval of the draft as it is now."""
        return self._move(services.submit, CommentSerializer)

    @extend_schema(request=NeededCommentSerializer)
    @action(
        detail=True,
        methods=["post"],
        url_path="return",
        permission_classes=[requires("campaigns.approve_campaign")],
    )
    def send_back(self, request: Request, slug: str) -> Response:
        """What was submitted goes back to its makers, with a comment."""
        return self._move(services.return_draft, NeededCommentSerializer)

    @extend_schema(request=CommentSerializer, parameters=[SEEN])
    @action(
        detail=True,
        methods=["post"],
        permission_classes=[requires("campaigns.approve_campaign")],
    )
    def approve(self, request: Request, slug: str) -> Response:
        """draft → approved, by somebody who had no hand in it: a key is somebody, too."""
        with transaction.atomic():
            if "If-Match" in request.headers:
                # Locked, so that what is approved is what was seen.
                self._lock_draft()
                etags.require_match(request, self.get_serializer(self.get_object()).data)
            return self._move(services.approve, CommentSerializer)

    @extend_schema(request=ReasonSerializer)
    @action(detail=True, methods=["post"], permission_classes=[requires("campaigns.end_campaign")])
    def end(self, request: Request, slug: str) -> Response:
        """approved or live → ended."""
        return self._move(services.end_now, ReasonSerializer)

    @extend_schema(request=ExtendSerializer, parameters=[SEEN])
    @action(
        detail=True, methods=["post"], permission_classes=[requires("campaigns.extend_campaign")]
    )
    def extend(self, request: Request, slug: str) -> Response:
        """Move the end to later. Who wants no other end than the one he saw names its ETag."""
        campaign, said = self.get_object(), self._said(ExtendSerializer)
        if "If-Match" in request.headers:
            # Not locked: the service moves the end that this has, or none.
            etags.require_match(request, self.get_serializer(campaign).data)
        by: Any = request.user
        with _refused():
            services.extend(campaign, said["ends_at"], said["reason"], by, timezone.now())
        return self._shown(self.get_object())

    @extend_schema(request=PauseSerializer)
    @action(detail=True, methods=["post"], permission_classes=[PAUSE])
    def pause(self, request: Request, slug: str) -> Response:
        """Nobody can buy until it is resumed; units and orders stay."""
        return self._halt(services.pause)

    @extend_schema(request=PauseSerializer)
    @action(detail=True, methods=["post"], permission_classes=[PAUSE])
    def resume(self, request: Request, slug: str) -> Response:
        """Sell again: what stopped just the campaign, or just this item, is reverted."""
        return self._halt(services.resume)

    @extend_schema(request=ReasonSerializer)
    @action(
        detail=True,
        methods=["post"],
        permission_classes=[requires("campaigns.rotate_path_keys")],
    )
    def rotate_path_keys(self, request: Request, slug: str) -> Response:
        """New hidden buy addresses; those before are good for two minutes."""
        return self._move(services.rotate_path_keys, ReasonSerializer)

    def _lock_draft(self) -> None:
        campaign = self.get_object()
        with _refused():
            services.lock_draft(campaign.pk)

    def _move(self, move: Any, form: type[serializers.Serializer[None]] | None = None) -> Response:
        campaign = self.get_object()
        said = {} if form is None else self._said(form)
        with _refused():
            campaign = move(campaign, self.request.user, timezone.now(), **said)
        return self._shown(campaign)

    def _halt(self, halt: Any) -> Response:
        campaign, said, item = self.get_object(), self._said(PauseSerializer), None
        if said["item"] is not None:
            item = campaign.items.filter(pk=said["item"]).first()
            if item is None:
                raise serializers.ValidationError({"item": [_("There is no such item.")]})
        with _refused():
            halt(campaign, item, said["reason"], self.request.user, timezone.now())
        return self._shown(self.get_object())

    def _said(self, form: type[serializers.Serializer[None]]) -> dict[str, Any]:
        body = form(data=self.request.data)
        body.is_valid(raise_exception=True)
        said: dict[str, Any] = body.validated_data
        return said

    def _shown(self, campaign: Campaign) -> Response:
        data = self.get_serializer(campaign).data
        return Response(data, headers={"ETag": etags.tag_of(data)})


class ItemViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """What campaigns sell. An item is changed through its campaign, while that is a draft."""

    queryset = Item.objects.select_related("campaign")
    serializer_class = ItemOfCampaignSerializer
    filterset_class = ItemFilter
    lookup_value_regex = "[0-9]{1,18}"
    merchant_paths = ("campaign__merchant",)
    scopes = {"list": Scope.CAMPAIGNS_READ, "retrieve": Scope.CAMPAIGNS_READ}


@contextmanager
def _refused() -> Iterator[None]:
    """What the service refuses is a conflict; what a row of it may not say is a wrong field."""
    try:
        yield
    except ModelValidationError as error:
        raise serializers.ValidationError(serializers.as_serializer_error(error)) from error
    except services.CampaignError as error:
        raise Conflict(detail=str(error.message), code=error.code) from error
