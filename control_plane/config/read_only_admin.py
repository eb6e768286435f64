"""The base of the admin's pages that only show, perhaps with buttons that call services."""

from datetime import datetime
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.formats import localize
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from control_plane.config.model_admin import ModelAdmin, TabularInline


class Button(NamedTuple):
    """A link to a page that asks first; `kind` is its class of the style sheet."""

    label: str | Promise
    url: str
    kind: str = "button-change"


def until_text(moment: datetime) -> str:
    """Of something that is in force and ends by itself."""
    return _("until %(moment)s") % {"moment": localize(timezone.localtime(moment))}


class ReadOnlyAdmin(ModelAdmin):
    """Rows that only services write: everybody may at most look, and press `buttons`."""

    change_form_template = "admin/with_buttons.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def buttons(self, request: HttpRequest, obj: Any) -> list[Button]:
        """What this user may do with this row now."""
        return []

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page of one row."""
        obj = self.get_object(request, object_id) if object_id else None
        context = {"buttons": self.buttons(request, obj) if obj else [], **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, context)


class ReadOnlyInline(TabularInline):
    """Rows inside another page; nobody changes them there."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False
