"""The console's forms: those of the pages that ask first, and for what is grave a typed name."""

from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from control_plane.config.ask_first import ReasonForm
from control_plane.switches.forms import EVERYWHERE, PERIODS, UNTIL_REVERTED, ThrowForm, subject
from control_plane.switches.known import SWITCHES
from control_plane.switches.presets import Preset

# What is typed where there is no name: the same word in every language, as on a machine's button.
STOP = "STOP"
# What stops a sale or opens it to everybody.
GRAVE = {"sale_enabled": (False,), "rate_limits": (0,)}


class _Confirmed(forms.Form):
    """`confirm` has to be what `expected` says, letter for letter."""

    confirm = forms.CharField(required=False, label=_("to confirm"), strip=True)

    def require(self, expected: str) -> None:
        """Name what has to be typed."""
        if self.cleaned_data.get("confirm") != expected:
            said = _("Type %(name)s to confirm.") % {"name": expected}
            self.add_error("confirm", said)


class ConsoleThrowForm(ThrowForm, _Confirmed):
    """A throw; grave is decided by its value, the name by its place."""

    field_order: Any = (*ThrowForm.field_order, "confirm")

    def __init__(self, name: str, data: Any = None) -> None:
        super().__init__(SWITCHES[name], data)
        self.name = name

    def clean(self) -> dict[str, Any]:
        """As the page's, and confirmed."""
        values = super().clean()
        if "where" in values and values.get("value") in GRAVE.get(self.name, ()):
            self.require(name_of(values["where"]))
        return values


class PresetForm(ReasonForm, _Confirmed):
    """Why, how long, and for what is grave the word."""

    lasts = forms.ChoiceField(
        label=_("how long"),
        choices=(
            ("5m", _("5 minutes")),
            ("30m", _("30 minutes")),
            (UNTIL_REVERTED, _("until somebody reverts it")),
        ),
    )
    field_order = ("lasts", "reason", "confirm")

    def __init__(self, preset: Preset, data: Any = None) -> None:
        super().__init__(data)
        self.preset = preset
        if preset.source:
            # It changes back when somebody has seen that the cluster is there.
            del self.fields["lasts"]

    def clean(self) -> dict[str, Any]:
        """Confirmed, if it is grave."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if self.preset.is_grave:
            self.require(STOP)
        return values

    def until(self, now: datetime) -> datetime | None:
        """When it ends by itself."""
        lasts = self.cleaned_data.get("lasts", UNTIL_REVERTED)
        return now + PERIODS[lasts] if lasts in PERIODS else None


def name_of(where: str) -> str:
    """What has to be typed for a place: the campaign's slug, the item's SKU, or STOP."""
    if where == EVERYWHERE:
        return STOP
    campaign, item = subject(where)
    if item is not None:
        return item.sku
    assert campaign is not None
    return campaign.slug
