"""App `privacy`."""

from django.apps import AppConfig


class PrivacyConfig(AppConfig):
    """What is known of a shopper, and forgetting it. It has no models and no page."""

    name = "control_plane.privacy"
    label = "privacy"
