"""Versions of the configuration. The document is not shown: it carries keys."""

from django.contrib import admin

from control_plane.config.read_only_admin import ReadOnlyAdmin
from control_plane.snapshot.models import EntryKey, Snapshot


@admin.register(Snapshot)
class SnapshotAdmin(ReadOnlyAdmin):
    """What was published when, and why."""

    list_display = ("version", "reason", "hash", "created_at")
    fields = ("version", "reason", "hash", "created_at")
    ordering = ("-version",)


@admin.register(EntryKey)
class EntryKeyAdmin(ReadOnlyAdmin):
    """Which keys sign and verify entry tokens."""

    list_display = ("kid", "active", "created_at")
    fields = ("kid", "active", "created_at")
    ordering = ("-created_at",)
