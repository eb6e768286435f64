"""App `campaigns`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CampaignsConfig(AppConfig):
    """Registers the app under its short label."""

    name = "control_plane.campaigns"
    label = "campaigns"
    verbose_name = _("Campaigns")
