"""An admin whose form is saved by a service: the service checks, writes the trail and publishes."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from control_plane.config.model_admin import ModelAdmin


class ServiceAdmin(ModelAdmin):
    """Fields are checked by the model as everywhere; `over` is what a service raises when late."""

    actions = None
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
