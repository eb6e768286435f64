"""App `queues`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class QueuesConfig(AppConfig):
    """Registers the app under its short label."""

    name = "control_plane.queues"
    label = "queues"
    verbose_name = _("Queues")
