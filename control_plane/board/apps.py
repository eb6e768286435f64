"""App `board`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class BoardConfig(AppConfig):
    """Registers the app under its short label."""

    name = "control_plane.board"
    label = "board"
    verbose_name = _("Live board")
