"""The clock's schedule in the admin: the pages of django-celery-beat, less what is not used."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django_celery_beat.admin import (
    CrontabScheduleAdmin,
    IntervalScheduleAdmin,
    PeriodicTaskAdmin,
    PeriodicTaskForm,
    TaskSelectWidget,
)
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from control_plane.config import schedule
from control_plane.config.audited import AuditedAdmin

# Nothing here goes by the sun, and what happens once is no schedule. The others come again below.
for theirs in (ClockedSchedule, SolarSchedule, PeriodicTask, IntervalSchedule, CrontabSchedule):
    admin.site.unregister(theirs)


class TaskChoice(UnfoldAdminSelectWidget, TaskSelectWidget):
    """The tasks the workers know, as a select of this admin."""


class ScheduleForm(PeriodicTaskForm):
    """Theirs with the widgets of this admin."""

    def __init__(self, *arguments: Any, **how: Any) -> None:
        super().__init__(*arguments, **how)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = TaskChoice()


@admin.register(IntervalSchedule)
class IntervalAdmin(IntervalScheduleAdmin, AuditedAdmin):
    """Every so many seconds."""


@admin.register(CrontabSchedule)
class CrontabAdmin(CrontabScheduleAdmin, AuditedAdmin):
    """At times of the day."""


@admin.register(PeriodicTask)
class ScheduleAdmin(PeriodicTaskAdmin, AuditedAdmin):
    """Says of each delivered entry what it is for; an edit is in force within a second."""

    form = ScheduleForm
    reason_required = True
    list_display = ("name", "purpose", "enabled", "rhythm", "last_run_at")
    list_filter = ("enabled",)

    def get_actions(self, request: HttpRequest) -> Any:
        """Theirs ask for no permission: whoever may only look would switch the clock off."""
        return super().get_actions(request) if self.has_change_permission(request) else {}

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
