"""Who changed what: the trail of rules, limits and bans."""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from control_plane.config.read_only_admin import ReadOnlyAdmin
from control_plane.risk.models import RiskChange


@admin.register(RiskChange)
class RiskChangeAdmin(ReadOnlyAdmin):
    """Newest first."""

    list_display = ("at", "about", "title", "verb", "who")
    list_filter = ("verb",)
    list_select_related = ("by",)
    search_fields = ("title",)
    date_hierarchy = "at"
    ordering = ("-pk",)
    fields = ("at", "about", "subject_id", "title", "verb", "who", "shown_values")
    readonly_fields = fields

    @admin.display(description=_("about"), ordering="subject")
    def about(self, change: RiskChange) -> str:
        """In the reader's language."""
        return str(apps.get_model("risk", change.subject)._meta.verbose_name)

    @admin.display(description=_("by"), ordering="by")
    def who(self, change: RiskChange) -> str:
        """A user, or what was none."""
        if change.by_clock:
            return str(_("the clock"))
        return str(change.by) if change.by is not None else str(_("the system"))

    @admin.display(description=_("values"))
    def shown_values(self, change: RiskChange) -> str:
        """One a line."""
        values: dict[str, Any] = change.values
        return "\n".join(f"{name}: {value}" for name, value in values.items())
