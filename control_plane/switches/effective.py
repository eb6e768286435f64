"""What the switches say now: item over campaign over all over default, the newest of its scope."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q, QuerySet

from control_plane.switches.known import SWITCHES, Value
from control_plane.switches.models import Scope, SwitchThrow

Values = dict[str, Value]
DEFAULTS: Values = {switch.name: switch.default for switch in SWITCHES.values()}


def in_force(now: datetime) -> QuerySet[SwitchThrow]:
    """Throws that nobody has reverted and whose time is not up."""
    unexpired = Q(until=None) | Q(until__gt=now)
    return SwitchThrow.objects.filter(unexpired, reverted=None)


class Effective:
    """The values of one moment, for everywhere and for each item."""

    def __init__(self, throws: Iterable[SwitchThrow]) -> None:
        self._everywhere = dict(DEFAULTS)
        self._of_campaign: dict[int, Values] = {}
        self._of_item: dict[int, Values] = {}
        # In their order, so that a newer one replaces an older one of its scope.
        for throw in sorted(throws, key=lambda throw: throw.pk):
            self._values_of(throw)[throw.name] = throw.value

    def everywhere(self) -> Values:
        """For what belongs to no item."""
        return dict(self._everywhere)

    def of(self, campaign_id: int, item_id: int) -> Values:
        """Complete: every switch has a value."""
        campaign = self._of_campaign.get(campaign_id, {})
        return {**self._everywhere, **campaign, **self._of_item.get(item_id, {})}

    def _values_of(self, throw: SwitchThrow) -> Values:
        if throw.scope == Scope.ITEM:
            assert throw.item_id is not None
            return self._of_item.setdefault(throw.item_id, {})
        if throw.scope == Scope.CAMPAIGN:
            assert throw.campaign_id is not None
            return self._of_campaign.setdefault(throw.campaign_id, {})
        return self._everywhere


def effective(now: datetime) -> Effective:
    """One query."""
    return Effective(in_force(now))
