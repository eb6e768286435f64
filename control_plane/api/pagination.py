"""Lists in pages that a cursor leads through: rows that come meanwhile shift nothing."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions, serializers
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

PAGE_SIZE_MAX = 200


class Pages(CursorPagination):
    """`?cursor=` from `next` and `previous`; `?page_size=` 1 to 200."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = PAGE_SIZE_MAX
    cursor_query_description = "From `next` or `previous` of a page; never made by hand."
    page_size_query_description = "How many on a page: 1 to 200, normally 50."

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> tuple[str, ...]:
        """The view's, by which no two rows are alike."""
        return (view.cursor_ordering,)

    def get_page_size(self, request: Request) -> int:
        """Exactly what was asked for, or a refusal."""
        given = request.query_params.get("page_size")
        if given is None:
            return int(self.page_size)
        if not (given.isascii() and given.isdecimal() and 1 <= int(given[:9]) <= PAGE_SIZE_MAX):
            raise serializers.ValidationError({"page_size": [_("Must be a number from 1 to 200.")]})
        return int(given)

    def paginate_queryset(
        self, queryset: Any, request: Request, view: Any = None
    ) -> list[Any] | None:
        """A page. A cursor that is none of ours is a wrong field, not a missing page."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (exceptions.NotFound, ValueError) as error:
            raise serializers.ValidationError(
                {"cursor": [_("This cursor is none of ours.")]}
            ) from error

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """With the bounds that `get_page_size` has."""
        cursor, page_size = super().get_schema_operation_parameters(view)
        page_size["schema"] |= {"minimum": 1, "maximum": PAGE_SIZE_MAX, "default": self.page_size}
        return [cursor, page_size]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """As `get_paginated_response` writes it."""
        link = {"type": "string", "nullable": True, "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }
