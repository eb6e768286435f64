"""App `config`: what no other app is."""

from django.apps import AppConfig
from django.db.models.signals import pre_delete


class ConfigConfig(AppConfig):
    """Guards the clock's schedule, whoever deletes from it."""

    name = "control_plane.config"
    label = "config"

    def ready(self) -> None:
        """Once all models are known."""
        from django_celery_beat.models import CrontabSchedule, IntervalSchedule

        from control_plane.config import schedule

        for rhythm in (IntervalSchedule, CrontabSchedule):
            pre_delete.connect(schedule.refuse_to_delete, sender=rhythm)
