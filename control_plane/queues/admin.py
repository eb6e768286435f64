"""Draws and the states of queues. Only `services` writes them; the seed is never shown here."""

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from control_plane.config.read_only_admin import Button, ReadOnlyAdmin
from control_plane.queues.models import Draw, QueueState


@admin.register(Draw)
class DrawAdmin(ReadOnlyAdmin):
    """With links to the record once it is public; before, the seed must not be seen by anybody."""

    list_display = ("item", "commit", "sizes", "closed_at", "revealed_at")
    list_select_related = ("item",)
    ordering = ("-created_at",)
    fields = ("item", "commit", "buckets", "sizes", "created_at", "closed_at", "revealed_at")
    readonly_fields = fields

    def buttons(self, request: HttpRequest, obj: Draw) -> list[Button]:
        """The public pages of the draw."""
        if obj.revealed_at is None:
            return []
        return [
            Button(_("Draw record"), reverse("draw", args=[obj.pk])),
            Button(_("All places (CSV)"), reverse("draw-record", args=[obj.pk])),
        ]


@admin.register(QueueState)
class QueueStateAdmin(ReadOnlyAdmin):
    """Where each queue stands, as the controller has stored it."""

    list_display = ("item", "generation", "source", "updated_at")
    list_select_related = ("item",)
    ordering = ("-updated_at",)
    fields = ("item", "generation", "oldest", "source", "layout", "marks", "updated_at")
    readonly_fields = fields
