"""App `webhooks`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WebhooksConfig(AppConfig):
    """Registers the app under its short label."""

    name = "control_plane.webhooks"
    label = "webhooks"
    verbose_name = _("Webhooks")
