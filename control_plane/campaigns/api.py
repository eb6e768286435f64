"""`/api/v1/campaigns/` and `…/items/` for the merchant's own tools; the admin's rules."""

from typing import Any

from django.db import transaction
from django.utils import timezone
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
    ItemOfCampaignSerializer,
    NeededCommentSerializer,
)
from control_plane.config.permissions import requires
from control_plane.config.problems import Conflict

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

    @extend_schema(request=None)
    @action(detail=True, methods=["post"], permission_classes=[requires("campaigns.end_campaign")])
    def end(self, request: Request, slug: str) -> Response:
        """approved or live → ended."""
        return self._move(services.end_now)

    @extend_schema(request=None)
    @action(
        detail=True,
        methods=["post"],
        permission_classes=[requires("campaigns.rotate_path_keys")],
    )
    def rotate_path_keys(self, request: Request, slug: str) -> Response:
        """New hidden buy addresses; those before are good for two minutes."""
        return self._move(services.rotate_path_keys)

    def _lock_draft(self) -> None:
        campaign = self.get_object()
        try:
            services.lock_draft(campaign.pk)
        except services.CampaignError as error:
            raise _conflict(error) from error

    def _move(self, move: Any, form: type[serializers.Serializer[None]] | None = None) -> Response:
        campaign, said = self.get_object(), {}
        if form is not None:
            body = form(data=self.request.data)
            body.is_valid(raise_exception=True)
            said = body.validated_data
        try:
            campaign = move(campaign, self.request.user, timezone.now(), **said)
        except services.CampaignError as error:
            raise _conflict(error) from error
        return self._shown(campaign)

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


def _conflict(error: services.CampaignError) -> Conflict:
    return Conflict(detail=str(error.message), code=error.code)
