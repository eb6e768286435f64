"""`/admin/switches/console/`: the operators' page, the part that is fetched, and its buttons.

Buttons answer JSON: `{"done": "…"}`, or 422 `{"errors": {field: [..]}}`, or 409 `{"refused": "…"}`.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from control_plane.config.ask_first import ReasonForm, staff
from control_plane.config.dressing import dressed
from control_plane.inventory.errors import InventoryError
from control_plane.inventory.models import Source
from control_plane.switches import console, presets, services
from control_plane.switches.console_forms import GRAVE, ConsoleThrowForm, PresetForm, name_of
from control_plane.switches.forms import throw_as_asked
from control_plane.switches.known import SWITCHES
from control_plane.switches.presets import PRESETS, Preset

VIEW, THROW = "switches.view_switchthrow", "switches.throw_switch"
CHANGE_SOURCE = "inventory.switch_stocksource"


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Everything, with the forms that its buttons open."""
    _require(request, VIEW)
    context = {
        **admin.site.each_context(request),
        **_state(request),
        "title": _("Switch console"),
    }
    if context["may_throw"]:
        context["throw_forms"] = [
            {"switch": one, "form": _dressed(ConsoleThrowForm(one.name), f"throw_{one.name}")}
            for one in SWITCHES.values()
        ]
        context["preset_forms"] = [
            {"preset": one, "form": _dressed(PresetForm(one), f"preset_{one.name}")}
            for one in PRESETS.values()
            if one.is_offered() and _may(request, one)
        ]
        # As they are chosen in the form.
        context["grave"] = {name: [str(one) for one in values] for name, values in GRAVE.items()}
        places = {place for one in context["throw_forms"] for place in _places(one["form"])}
        context["names"] = {place: name_of(place) for place in sorted(places)}
    return TemplateResponse(request, "admin/switches/console.html", context)


@require_safe
def state(request: HttpRequest) -> HttpResponse:
    """The part that changes, as HTML: the page puts it where the old one is."""
    _require(request, VIEW)
    answer = TemplateResponse(request, "admin/switches/console_state.html", _state(request))
    answer["Cache-Control"] = "no-store"
    return answer


@require_POST
def throw(request: HttpRequest, name: str) -> HttpResponse:
    """Throw a switch."""
    _require(request, THROW)
    if name not in SWITCHES:
        raise Http404

    def do(form: ConsoleThrowForm) -> str:
        return throw_as_asked(name, form.cleaned_data, staff(request), timezone.now())

    return _answer(ConsoleThrowForm(name, request.POST), do)


@require_POST
def revert(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a throw back. It restores what was there before, so no name is typed, but a reason."""
    _require(request, THROW)

    def do(form: Any) -> str:
        reason = form.cleaned_data["reason"]
        thrown = services.revert(pk, reason=reason, by=staff(request), now=timezone.now())
        return _("Reverted: %(throw)s.") % {"throw": thrown}

    return _answer(ReasonForm(request.POST), do)


@require_POST
def throw_preset(request: HttpRequest, name: str) -> HttpResponse:
    """All of a preset."""
    preset = _preset(request, name)

    def do(form: PresetForm) -> str:
        now = timezone.now()
        presets.throw_preset(
            preset,
            reason=form.cleaned_data["reason"],
            by=staff(request),
            now=now,
            until=form.until(now),
        )
        return _("In force: %(preset)s.") % {"preset": preset.label}

    return _answer(PresetForm(preset, request.POST), do)


@require_POST
def revert_preset(request: HttpRequest, name: str) -> HttpResponse:
    """All of a preset, back."""
    preset = _preset(request, name)

    def do(form: Any) -> str:
        reason = form.cleaned_data["reason"]
        presets.revert_preset(preset, reason=reason, by=staff(request), now=timezone.now())
        return _("Reverted: %(preset)s.") % {"preset": preset.label}

    return _answer(ReasonForm(request.POST), do)


def _state(request: HttpRequest) -> dict[str, Any]:
    found = console.state(timezone.now())
    may_throw = request.user.has_perm(THROW)
    for one in found["presets"]:
        one.may = may_throw and _may(request, one.preset)
    return {**found, "may_throw": may_throw, "primary": Source.PRIMARY}


def _answer(form: Any, do: Callable[[Any], str]) -> HttpResponse:
    if not form.is_valid():
        return JsonResponse({"errors": form.errors}, status=422)
    try:
        return JsonResponse({"done": do(form)})
    except ValidationError as error:
        return JsonResponse({"errors": {"__all__": error.messages}}, status=422)
    except (InventoryError, services.NotInForce) as error:
        return JsonResponse({"refused": str(error.message)}, status=409)


def _preset(request: HttpRequest, name: str) -> Preset:
    _require(request, THROW)
    preset = PRESETS.get(name)
    if preset is None or not preset.is_offered():
        raise Http404
    if not _may(request, preset):
        raise PermissionDenied
    return preset


def _may(request: HttpRequest, preset: Preset) -> bool:
    return not preset.source or request.user.has_perm(CHANGE_SOURCE)


def _require(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied


def _dressed(form: Any, name: str) -> Any:
    """With ids of its own: the page has many forms whose fields are named alike."""
    form.auto_id = f"{name}_%s"
    return dressed(form)


def _places(form: ConsoleThrowForm) -> list[str]:
    where: Any = form.fields["where"]
    found = []
    for value, label in where.choices:
        found += [inner for inner, _label in label] if isinstance(label, list) else [value]
    return [str(one) for one in found]
