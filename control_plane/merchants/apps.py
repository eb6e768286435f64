"""App `merchants`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MerchantsConfig(AppConfig):
    """Registers the app under its short label."""

    name = "control_plane.merchants"
    label = "merchants"
    verbose_name = _("Merchants")
