"""The base of pages on which people configure: each change with its reason, and its history."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django import forms
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextInputWidget

from control_plane.config.history import REASON_LENGTH_MAX, give_reason, in_words
from control_plane.config.model_admin import ModelAdmin

VERBS = {"+": gettext_lazy("created"), "~": gettext_lazy("changed"), "-": gettext_lazy("deleted")}
# More than anybody scrolls; the page of the whole trail has the rest.
SHOWN = 100


class Step(NamedTuple):
    """A line of an object's history; `changes` are (field, before, after)."""

    at: Any
    who: str
    what: str
    reason: str
    changes: list[tuple[str, str, str]]


class AuditedAdmin(ModelAdmin):
    """`reason_required`: a change of this model is not saved without a reason."""

    reason_required = False
    change_form_after_template = "admin/parts/reason.html"

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """With a field for the reason, which is no field of the model, where something changes."""
        if obj is not None and self.has_change_permission(request, obj):
            base = kwargs.get("form", self.form)
            field = forms.CharField(
                label=_("reason for this change"),
                required=self.reason_required,
                max_length=REASON_LENGTH_MAX,
                widget=UnfoldAdminTextInputWidget(),
                help_text=_("It stands in the history beside what you change."),
            )
            kwargs["form"] = type("Reasoned" + base.__name__, (base,), {"change_reason": field})
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Without the reason, which stands below all fields: the template puts it there."""
        return [name for name in super().get_fields(request, obj) if name != "change_reason"]

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        """Every row of history that this request writes has the reason."""
        give_reason(request, form.cleaned_data.get("change_reason", ""))
        # Else a reason alone would be a change, of a field that there is not.
        if "change_reason" in form.changed_data:
            form.changed_data = [name for name in form.changed_data if name != "change_reason"]
        return super().save_form(request, form, change)

    def steps(self, obj: Any) -> list[Step]:
        """What the page of its history shows, newest first."""
        return steps_of(obj)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What was changed, by whom, when and why; newest first."""
        obj = self.get_object(request, object_id)
        if obj is None:
            obj = get_object_or_404(self.model, pk=object_id)
        if not self.has_view_or_change_permission(request, obj):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": _("History"),
            "opts": self.opts,
            "object": obj,
            "steps": self.steps(obj),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/history.html", context)


def steps_of(obj: Any) -> list[Step]:
    """The history of a row: its own, and the admin's buttons that were pressed on its page."""
    pressed = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(obj), object_id=str(obj.pk)
    ).select_related("user")
    steps = [*_changes(obj), *(_button(entry) for entry in pressed[:SHOWN] if _is_button(entry))]
    return sorted(steps, key=lambda step: step.at, reverse=True)


def _is_button(entry: LogEntry) -> bool:
    """What the form says of itself ("Changed title.") stands in the history with more."""
    return not entry.change_message.startswith("[")


def _button(entry: LogEntry) -> Step:
    return Step(entry.action_time, str(entry.user), in_words(entry.change_message), "", [])


def _changes(obj: Any) -> Iterator[Step]:
    rows = list(obj.history.select_related("history_user").order_by("-history_id")[: SHOWN + 1])
    for row, before in zip(rows, [*rows[1:], None], strict=True):
        if len(rows) > SHOWN and before is None:
            return
        yield Step(
            row.history_date,
            who(row.history_user),
            str(VERBS[row.history_type]),
            row.history_change_reason or "",
            differences(row, before) if before is not None and row.history_type == "~" else [],
        )


def who(user: Any) -> str:
    """A person's name, or what was none."""
    return str(user) if user is not None else _("the system")


def differences(row: Any, before: Any) -> list[tuple[str, str, str]]:
    """(field, before, after), in words where the model has them.

    Compared here and not by the library, which passes over what no form edits: a state, say.
    """
    found = []
    for field in row.tracked_fields:
        old, new = getattr(before, field.attname), getattr(row, field.attname)
        if old != new:
            found.append((str(field.verbose_name), _shown(field, old), _shown(field, new)))
    lists = [field.name for field in row._history_m2m_fields]
    for change in row.diff_against(before, included_fields=lists).changes if lists else ():
        field = row.instance_type._meta.get_field(change.field)
        found.append((str(field.verbose_name), *_gone_and_come(field, change)))
    return found


def _gone_and_come(field: Any, change: Any) -> tuple[str, str]:
    """Of a list what was taken out and what was put in; the rest is no change."""
    name = field.m2m_reverse_field_name()
    old, new = ({entry[name] for entry in value} for value in (change.old, change.new))
    known = field.related_model._default_manager.in_bulk(old ^ new)
    gone, come = (
        ", ".join(sorted(str(known.get(pk, pk)) for pk in pks)) for pks in (old - new, new - old)
    )
    return gone or "–", come or "–"


def _shown(field: Any, value: Any) -> str:
    if field.is_relation and value is not None:
        return str(field.related_model._default_manager.filter(pk=value).first() or value)
    choices = dict(field.flatchoices)
    return str(choices.get(value, value)) if value not in (None, "") else "–"
