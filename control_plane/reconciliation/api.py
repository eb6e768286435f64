"""`/api/v1/reports/`: where every unit of an item is, and whether all books agree.

`/api/v1/reconciliations/` and `…/findings/`: comparisons of all sides, and what they found.
"""

from typing import Any

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.request import Request
from rest_framework.response import Response

from control_plane.api.scopes import Scope
from control_plane.api.views import ApiViewSet
from control_plane.campaigns.filters import ItemFilter
from control_plane.campaigns.models import Item
from control_plane.config.permissions import requires
from control_plane.reconciliation.models import Finding, FindingKind, Outcome, Run
from control_plane.reconciliation.reports import reports_of
from control_plane.reconciliation.serializers import (
    FindingSerializer,
    ReportSerializer,
    RunSerializer,
)


class ReportViewSet(ApiViewSet):
    """One report for each item, computed when it is asked for."""

    queryset = Item.objects.select_related("campaign")
    serializer_class = ReportSerializer
    filterset_class = ItemFilter
    permission_classes = (requires("reconciliation.view_reconciliation"),)
    lookup_url_kwarg = "item"
    lookup_value_regex = "[0-9]{1,18}"
    merchant_paths = ("campaign__merchant",)
    scopes = {"list": Scope.REPORTS_READ, "retrieve": Scope.REPORTS_READ}

    @extend_schema(responses=ReportSerializer(many=True))
    def list(self, request: Request) -> Response:
        """The newest items first."""
        page: Any = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(reports_of(page), many=True).data)

    def retrieve(self, request: Request, item: str) -> Response:
        """One item's."""
        return self.shown(reports_of([self.get_object()])[0])


class RunFilter(filters.FilterSet):
    """Of which campaign, and what it said."""

    campaign = filters.CharFilter("campaign__slug")
    outcome = filters.ChoiceFilter(choices=Outcome.choices)

    class Meta:
        model = Run
        fields: list[str] = []


class RunViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Newest first; `outcome` is `unknown` where a side could not be read."""

    queryset = Run.objects.select_related("campaign")
    serializer_class = RunSerializer
    filterset_class = RunFilter
    permission_classes = (requires("reconciliation.view_run"),)
    lookup_value_regex = "[0-9]{1,18}"
    merchant_paths = ("campaign__merchant",)
    scopes = {"list": Scope.REPORTS_READ, "retrieve": Scope.REPORTS_READ}


class FindingFilter(filters.FilterSet):
    """Of which run, and which kind."""

    run = filters.NumberFilter("run_id", min_value=1, max_value=2**63 - 1)
    kind = filters.MultipleChoiceFilter(choices=FindingKind.choices)

    class Meta:
        model = Finding
        fields: list[str] = []


class FindingViewSet(mixins.ListModelMixin, ApiViewSet):
    """One row for each thing that is wrong, with what was done about it."""

    queryset = Finding.objects.select_related("repair")
    serializer_class = FindingSerializer
    filterset_class = FindingFilter
    # What the files of a run have, so who may not download it may not read it here.
    permission_classes = (requires("reconciliation.download_findings"),)
    merchant_paths = ("run__campaign__merchant",)
    scopes = {"list": Scope.REPORTS_READ}
