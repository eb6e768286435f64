"""Merchants and their keys."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from control_plane.config.audited import AuditedAdmin
from control_plane.config.model_admin import TabularInline
from control_plane.merchants import services
from control_plane.merchants.models import Merchant, SessionKey
from control_plane.snapshot import services as snapshots


class SessionKeyInline(TabularInline):
    """Keys are made by the action; here one is switched off or its secret is read."""

    model = SessionKey
    extra = 0
    can_delete = False
    readonly_fields = ("kid", "secret", "created_at")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Whoever may only look sees which keys there are, not what they are."""
        if self.has_change_permission(request, obj):
            return ("kid", "secret", "active", "created_at")
        return ("kid", "active", "created_at")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A typed key would be a weak key."""
        return False


@admin.register(Merchant)
class MerchantAdmin(AuditedAdmin):
    """A shop with its keys."""

    list_display = ("name", "slug", "active_keys")
    search_fields = ("name", "slug")
    inlines = (SessionKeyInline,)
    reason_required = True
    actions = ("create_key",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """The slug is the issuer of sessions that are out in the world."""
        return ("slug",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: a shop that leaves gets its keys switched off, its sales stay on the books."""
        return False

    @admin.display(description=_("active keys"))
    def active_keys(self, merchant: Merchant) -> int:
        """How many keys verify sessions."""
        return merchant.session_keys.filter(active=True).count()

    @admin.action(description=_("Create a session key"), permissions=["change"])
    def create_key(self, request: HttpRequest, queryset: Any) -> None:
        """One new key for each chosen merchant."""
        for merchant in queryset:
            key = services.create_session_key(merchant)
            messages.success(
                request,
                _("%(merchant)s: key %(kid)s created.") % {"merchant": merchant, "kid": key.kid},
            )

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """A key switched off here has to reach the edge."""
        with transaction.atomic():
            super().save_related(request, form, formsets, change)
            snapshots.publish(f"merchant {form.instance.slug} saved")
