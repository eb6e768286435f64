"""`/api/v1/reports/`: where every unit of an item is, and whether all books agree."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from control_plane.api.scopes import Scope
from control_plane.api.views import ApiViewSet
from control_plane.campaigns.filters import ItemFilter
from control_plane.campaigns.models import Item
from control_plane.config.permissions import requires
from control_plane.reconciliation.reports import reports_of
from control_plane.reconciliation.serializers import ReportSerializer


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
