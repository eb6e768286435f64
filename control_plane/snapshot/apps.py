"""App `snapshot`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SnapshotConfig(AppConfig):
    """Registers the app under its short label."""

    name = "control_plane.snapshot"
    label = "snapshot"
    verbose_name = _("Snapshots")
