"""The warehouse's books. Read-only: `services` writes them."""

from django.contrib import admin
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from control_plane.config.read_only_admin import ReadOnlyAdmin
from control_plane.warehouse.models import Stock, StockEntry

ENTRIES_SHOWN = 20


@admin.register(Stock)
class StockAdmin(ReadOnlyAdmin):
    """What is on the shelf."""

    list_display = ("sku", "on_hand")
    search_fields = ("sku",)
    fields = ("sku", "on_hand", "entries")
    readonly_fields = ("entries",)

    @admin.display(description=_("latest entries"))
    def entries(self, stock: Stock) -> SafeString:
        """The newest entries; their key has two columns, which the admin cannot list."""
        latest = StockEntry.objects.filter(sku=stock.sku).order_by("-created_at")[:ENTRIES_SHOWN]
        return format_html_join(
            "",
            "<div>{} · {} · {} · {}</div>",
            (
                (
                    f"S{entry.order_id:010d}",
                    entry.get_kind_display(),
                    entry.qty,
                    date_format(localtime(entry.created_at), "DATETIME_FORMAT"),
                )
                for entry in latest
            ),
        )
