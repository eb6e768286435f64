"""App `dead_letters`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DeadLettersConfig(AppConfig):
    """Registers the app under its short label."""

    name = "control_plane.dead_letters"
    label = "dead_letters"
    verbose_name = _("Dead letters")
