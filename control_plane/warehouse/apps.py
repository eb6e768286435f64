"""App `warehouse`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WarehouseConfig(AppConfig):
    """Registers the app under its short label."""

    name = "control_plane.warehouse"
    label = "warehouse"
    verbose_name = _("Warehouse")
