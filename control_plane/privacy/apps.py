"""The Django app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PrivacyConfig(AppConfig):
    """What is known of a shopper, and forgetting it."""

    name = "control_plane.privacy"
    label = "privacy"
    verbose_name = _("Privacy")
