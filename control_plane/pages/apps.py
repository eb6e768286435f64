"""App `pages`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PagesConfig(AppConfig):
    """Registers the app under its short label."""

    name = "control_plane.pages"
    label = "pages"
    verbose_name = _("Pages")
