"""What the operators' page shows: every switch, what it says, and who threw it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from control_plane.switches.effective import Effective, in_force
from control_plane.switches.known import SWITCHES, Switch
from control_plane.switches.models import Scope, SwitchThrow

SCOPES = list(Scope.values)


@dataclass
class Row:
    """A switch, its value everywhere, and its throws: the widest first, of a scope the newest."""

    switch: Switch
    value: str
    is_default: bool
    throws: list[SwitchThrow] = field(default_factory=list)


def rows(now: datetime) -> list[Row]:
    """One query. A throw that a newer one of its own scope covers has `is_covered`."""
    throws = list(
        in_force(now)
        .select_related("campaign", "item__campaign", "by", "published")
        .order_by("-pk")
    )
    values = Effective(throws).everywhere()
    found = {
        name: Row(switch, switch.shown(values[name]), values[name] == switch.default)
        for name, switch in SWITCHES.items()
    }
    for throw in _marked(throws):
        found[throw.name].throws.append(throw)
    for row in found.values():
        row.throws.sort(key=lambda throw: (SCOPES.index(throw.scope), -throw.pk))
    return list(found.values())


def _marked(throws: Iterable[SwitchThrow]) -> Iterable[SwitchThrow]:
    seen = set()
    for throw in throws:
        place = (throw.name, throw.campaign_id, throw.item_id)
        throw.is_covered = place in seen
        seen.add(place)
        yield throw
