"""App `payments`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PaymentsConfig(AppConfig):
    """Registers the app under its short label."""

    name = "control_plane.payments"
    label = "payments"
    verbose_name = _("Payments")
