"""App `risk`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RiskConfig(AppConfig):
    """Registers the app under its short label."""

    name = "control_plane.risk"
    label = "risk"
    verbose_name = _("Robots and abuse")
