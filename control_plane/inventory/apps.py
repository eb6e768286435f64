"""App `inventory`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class InventoryConfig(AppConfig):
    """Registers the app under its short label."""

    name = "control_plane.inventory"
    label = "inventory"
    verbose_name = _("Inventory")
