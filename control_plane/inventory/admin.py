"""Where the units are. Read-only: `services` moves units."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from control_plane.config.read_only_admin import ReadOnlyAdmin, ReadOnlyInline
from control_plane.inventory import services
from control_plane.inventory.models import Allocation, Grant, Pool


@admin.register(Pool)
class PoolAdmin(ReadOnlyAdmin):
    """One row an item: total = unallocated + in shards + live orders + drift, and drift is 0."""

    list_display = ("item", "total", "unallocated", "in_shards", "ordered", "drift")
    list_select_related = ("item",)
    search_fields = ("item__sku", "item__title", "item__campaign__slug")
    fields = ("item", "equation")
    readonly_fields = ("equation",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the terms of the equation."""
        return services.with_terms(super().get_queryset(request))

    @admin.display(description=_("in shards"))
    def in_shards(self, pool: Pool) -> int:
        """Granted and not yet an order."""
        return services.Conservation.of(pool).open_leftover

    @admin.display(description=_("live orders"))
    def ordered(self, pool: Pool) -> int:
        """Units of unpaid and paid orders."""
        return services.Conservation.of(pool).live_orders

    @admin.display(description=_("drift"))
    def drift(self, pool: Pool) -> int:
        """Anything but 0 is a fault."""
        return services.Conservation.of(pool).drift

    @admin.display(description=_("balance"))
    def equation(self, pool: Pool) -> str:
        """I1 in words."""
        terms = services.Conservation.of(pool)
        return _(
            "total %(total)s = unallocated %(unallocated)s + in shards %(leftover)s"
            " + live orders %(orders)s + drift %(drift)s"
        ) % {
            "total": terms.total,
            "unallocated": terms.unallocated,
            "leftover": terms.open_leftover,
            "orders": terms.live_orders,
            "drift": terms.drift,
        }


class GrantInline(ReadOnlyInline):
    """What the allocation was given."""

    model = Grant
    fields = ("id", "qty", "created_at", "applied_at")
    readonly_fields = fields
    ordering = ("created_at",)


@admin.register(Allocation)
class AllocationAdmin(ReadOnlyAdmin):
    """What each (item, shard, epoch) was granted."""

    list_display = (
        "item",
        "shard",
        "epoch",
        "granted",
        "consumed",
        "closed",
        "armed",
        "created_at",
    )
    list_filter = ("closed",)
    list_select_related = ("item",)
    search_fields = ("item__sku", "item__title", "item__campaign__slug")
    ordering = ("-created_at",)
    inlines = (GrantInline,)

    @admin.display(description=_("armed"), boolean=True)
    def armed(self, allocation: Allocation) -> bool:
        """The shard has its reserve script."""
        return bool(allocation.script_sha)


@admin.register(Grant)
class GrantAdmin(ReadOnlyAdmin):
    """Movements pool → shard; one without `applied at` is under way."""

    list_display = ("id", "allocation", "qty", "created_at", "applied_at")
    list_select_related = ("allocation",)
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
