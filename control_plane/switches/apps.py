"""App `switches`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SwitchesConfig(AppConfig):
    """Registers the app under its short label."""

    name = "control_plane.switches"
    label = "switches"
    verbose_name = _("Switches")
