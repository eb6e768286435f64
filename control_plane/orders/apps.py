"""App `orders`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OrdersConfig(AppConfig):
    """Registers the app under its short label."""

    name = "control_plane.orders"
    label = "orders"
    verbose_name = _("Orders")
