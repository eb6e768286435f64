"""App `api`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ApiConfig(AppConfig):
    """Registers the app under its short label."""

    name = "control_plane.api"
    label = "api"
    verbose_name = _("API")

    def ready(self) -> None:
        """What the schema says about keys is found by being imported."""
        from control_plane.api import schema  # noqa: F401
