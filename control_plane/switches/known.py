"""Every switch there is: its name in the snapshot, what it may be set to, and what it does.

`stock_source` is not here: changing it fences epochs, see `inventory/sources.py`.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

Value = bool | int | float | str
ON, OFF = _("on"), _("off")


@dataclass(frozen=True)
class Switch:
    """A name, its default, and the values it takes; `only_everywhere`: it has no smaller scope."""

    name: str
    label: "_StrPromise"
    help: "_StrPromise"
    default: Value
    only_everywhere: bool = False

    def checked(self, value: Any) -> Value:
        """The value as it is stored. Raises ValidationError."""
        if type(value) is not bool:
            raise ValidationError(_("Must be true or false."))
        return value

    def shown(self, value: Value) -> str:
        """The value in the reader's language."""
        return str(ON if value else OFF)


@dataclass(frozen=True)
class Choice(Switch):
    """One of a few words."""

    choices: tuple[tuple[str, "_StrPromise"], ...] = ()

    def checked(self, value: Any) -> Value:
        """Exactly one of the words."""
        words = [word for word, _label in self.choices]
        if value not in words:
            raise ValidationError(_("Must be one of: %s.") % ", ".join(words))
        return str(value)

    def shown(self, value: Value) -> str:
        """What the word means."""
        return str(dict(self.choices).get(str(value), value))


@dataclass(frozen=True)
class Number(Switch):
    """A number from 0 to `most`."""

    most: int = 100
    unit: str = ""

    def checked(self, value: Any) -> Value:
        """A whole number without a point, so that equal snapshots have equal hashes."""
        is_number = type(value) in (int, float) and math.isfinite(value)
        if not (is_number and 0 <= value <= self.most):
            raise ValidationError(_("Must be a number from 0 to %s.") % self.most)
        return int(value) if value == int(value) else float(value)

    def shown(self, value: Value) -> str:
        """With its unit."""
        return f"{value}{self.unit}"


SWITCHES = {
    switch.name: switch
    for switch in (
        Switch(
            "sale_enabled",
            _("Selling"),
            _("Off: nobody can buy; shoppers hear “busy, try again”. Units and orders stay."),
            True,
        ),
        Choice(
            "queue_mode",
            _("Queue"),
            _(
                "As configured: what each item says. Off: everybody is let through at once. First"
                " come, first served: an item that is sold by a draw keeps its draw."
            ),
            "configured",
            choices=(
                ("configured", _("as configured")),
                ("off", _("off")),
                ("fifo", _("first come, first served")),
            ),
        ),
        Choice(
            "risk_mode",
            _("Risk rules and bans"),
            _("Shadow: rules are counted, nobody is refused. Off: they are not looked at."),
            "enforce",
            choices=(
                ("enforce", _("enforced")),
                ("shadow", _("shadow")),
                ("off", _("off")),
            ),
        ),
        Switch(
            "human_check",
            _("Human check"),
            _("Off: shoppers get in without proving that they are people."),
            True,
        ),
        Number(
            "rate_limits",
            _("Rate limits"),
            _("How many times the configured rates are allowed: 2 is twice. 0: no limits at all."),
            1,
            unit="×",
        ),
        Number(
            "canary_percent",
            _("Canary gateways"),
            _("Share of the devices that the edge sends to the canary gateways."),
            0,
            unit="%",
        ),
        Number(
            "trace_sampling",
            _("Tracing"),
            _(
                "Share of the purchases that are followed from the page to the merchant's server."
                " A few a second are enough; 0: none."
            ),
            0,
            unit="%",
        ),
        Number(
            "console_canary_percent",
            _("Canary console"),
            _("Share of the console's visitors who get the new control plane."),
            0,
            only_everywhere=True,
            unit="%",
        ),
    )
}
