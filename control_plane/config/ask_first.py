"""Pages of the admin that ask before they do: GET shows a form, POST does it, once it is valid."""

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from control_plane.config import history
from control_plane.config.dressing import dressed

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.utils.functional import _StrPromise

REASON_LENGTH_MAX = 200


class ReasonForm(forms.Form):
    """Whoever interferes says why."""

    reason = forms.CharField(
        label=_("reason"),
        max_length=REASON_LENGTH_MAX,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )


@dataclass(frozen=True)
class Refusal(Exception):
    """What the user is told instead of success."""

    message: Any


@dataclass(frozen=True)
class Question:
    """Something a user may do; `perform` gets the form's values and returns what to tell him.

    In one transaction with its line of the trail, unless it does many things each of which stands
    by itself: `is_many`.
    """

    title: "_StrPromise"
    warning: "_StrPromise"
    permission: str
    subjects: Iterable[Any]
    back: str
    perform: Callable[[dict[str, Any]], str]
    form: type[forms.Form] = ReasonForm
    is_many: bool = False


def staff(request: HttpRequest) -> "User":
    """Who presses the button: nobody else comes past the admin's login."""
    assert request.user.is_authenticated
    return request.user


def ask(admin: ModelAdmin, request: HttpRequest, question: Question) -> HttpResponse:
    """Ask, or do and go back. A link must never change anything."""
    if not request.user.has_perm(question.permission):
        raise PermissionDenied
    form = dressed(question.form(request.POST if request.method == "POST" else None))
    if form.is_valid():
        history.give_reason(request, form.cleaned_data.get("reason", ""))
        try:
            with nullcontext() if question.is_many else transaction.atomic():
                said = question.perform(form.cleaned_data)
            messages.success(request, said)
        except Refusal as refusal:
            messages.error(request, refusal.message)
        return HttpResponseRedirect(question.back)
    context = {
        **admin.admin_site.each_context(request),
        "title": question.title,
        "opts": admin.opts,
        "question": question,
        "form": form,
    }
    return TemplateResponse(request, "admin/ask_first.html", context)
