"""The totals of settled campaigns."""

from django.contrib import admin

from control_plane.campaigns.models import Settlement
from control_plane.config.read_only_admin import ReadOnlyAdmin


@admin.register(Settlement)
class SettlementAdmin(ReadOnlyAdmin):
    """The totals of items whose campaigns are settled."""

    list_display = ("item", "units", "sold", "left", "amount_minor", "currency", "settled_at")
    list_select_related = ("item",)
    search_fields = ("item__sku", "item__campaign__slug")
    ordering = ("-settled_at",)
