"""The admin site of Sluice in place of Django's own."""

from django.contrib.admin.apps import AdminConfig


class SluiceAdminConfig(AdminConfig):
    """Used in INSTALLED_APPS instead of `django.contrib.admin`."""

    default_site = "control_plane.config.admin_site.SluiceAdminSite"
