"""App `drills`."""

from django.apps import AppConfig


class DrillsConfig(AppConfig):
    """Drills by the clock, on a staging installation alone. It has no models."""

    name = "control_plane.drills"
    label = "drills"
