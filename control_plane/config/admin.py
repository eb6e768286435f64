"""The clock's schedule in the admin: the pages of django-celery-beat, less what is not used."""

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django_celery_beat.admin import PeriodicTaskAdmin
from django_celery_beat.models import ClockedSchedule, PeriodicTask, SolarSchedule

from control_plane.config import schedule

# Nothing here goes by the sun, and what happens once is no schedule.
for unused in (ClockedSchedule, SolarSchedule, PeriodicTask):
    admin.site.unregister(unused)


@admin.register(PeriodicTask)
class ScheduleAdmin(PeriodicTaskAdmin):
    """Says of each delivered entry what it is for; an edit is in force within a second."""

    list_display = ("name", "purpose", "enabled", "rhythm", "last_run_at")
    list_filter = ("enabled",)

    def has_delete_permission(self, request: HttpRequest, obj: PeriodicTask | None = None) -> bool:
        """Not of a delivered entry, nor of a rhythm it has; it can be switched off instead.

        The admin asks this also of what would be deleted along with something else.
        """
        if obj is not None and schedule.is_delivered(obj.name):
            return False
        return bool(super().has_delete_permission(request, obj))

    @admin.display(description=_("purpose"))
    def purpose(self, task: PeriodicTask) -> str:
        """Of the delivered entry; of others what their author wrote."""
        try:
            return str(schedule.entry(task.name).purpose)
        except KeyError:
            return str(task.description)

    @admin.display(description=_("rhythm"))
    def rhythm(self, task: PeriodicTask) -> str:
        """As the interval or the crontab says it."""
        return str(task.scheduler)
