"""An admin whose form is saved by a service: the service checks, writes the trail and publishes."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from control_plane.config.audited import SHOWN, AuditedAdmin, Step, who
from control_plane.risk.models import RiskChange


class ServiceAdmin(AuditedAdmin):
    """Fields are checked by the model as everywhere; `over` is what a service raises when late."""

    actions = None
    reason_required = True
    over: type[Exception]

    def create(self, fields: dict[str, Any], request: HttpRequest) -> Any:
        """Call the service that creates."""
        raise NotImplementedError

    def change(self, pk: int, fields: dict[str, Any], request: HttpRequest) -> None:
        """Call the service that changes."""
        raise NotImplementedError

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Only what the form shows; the row itself may have changed since it was read."""
        fields = form.cleaned_data
        if change:
            self.change(obj.pk, {name: fields[name] for name in form.changed_data}, request)
        else:
            obj.pk = self.create(fields, request).pk

    def steps(self, obj: Any) -> list[Step]:
        """From the services' own trail, which has the clock and the API too."""
        rows = list(
            RiskChange.objects.filter(subject=self.opts.model_name, subject_id=obj.pk)
            .select_related("by")
            .order_by("-pk")[: SHOWN + 1]
        )
        return [_step(row, before) for row, before in zip(rows, [*rows[1:], None], strict=True)][
            :SHOWN
        ]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """A shown form is old: what ended in the meantime is said, not saved."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except self.over as error:
            messages.error(request, error.message)  # type: ignore[attr-defined]
            return HttpResponseRedirect(
                reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
            )
        except ValidationError as error:
            # What the form could not know, as when somebody else was faster.
            messages.error(request, " ".join(error.messages))
            return HttpResponseRedirect(request.path)


def _step(row: RiskChange, before: RiskChange | None) -> Step:
    names = [] if before is None else sorted({*row.values, *before.values})
    changes = [
        (name, str(before.values.get(name, "–")), str(row.values.get(name, "–")))
        for name in names
        if before is not None and before.values.get(name) != row.values.get(name)
    ]
    person = str(_("the clock")) if row.by_clock else who(row.by)
    return Step(row.at, person, str(row.get_verb_display()), row.reason, changes)
