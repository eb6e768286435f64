"""What operators do together in an emergency: one reason, one transaction, one way back."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from control_plane.inventory import services as inventory
from control_plane.inventory.models import Source, StockSource
from control_plane.switches import services
from control_plane.switches.models import SwitchThrow

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.utils.functional import _StrPromise


@dataclass(frozen=True)
class Preset:
    """Some switches with their values, or the stock source. `is_grave`: asked for twice."""

    name: str
    label: "_StrPromise"
    help: "_StrPromise"
    values: tuple[tuple[str, Any], ...] = ()
    source: str = ""
    is_grave: bool = True

    def is_offered(self) -> bool:
        """A standby cluster is not there everywhere."""
        return not self.source or self.source in inventory.offered_sources()


PRESETS = {
    one.name: one
    for one in (
        Preset(
            "skip",
            _("Skip risk and queue"),
            _("Nobody is asked to prove anything, nobody waits: while risk or queue are at fault."),
            (("risk_mode", "off"), ("human_check", False), ("queue_mode", "off")),
            is_grave=False,
        ),
        Preset(
            "standby",
            _("Redis down: standby"),
            _("All shards sell from the standby cluster. The old one is not waited for."),
            source=Source.STANDBY,
        ),
        Preset(
            "database",
            _("Redis down: database"),
            _("PostgreSQL itself sells, slowly. The old cluster is not waited for."),
            source=Source.DATABASE,
        ),
        Preset(
            "stop",
            _("Stop the sale"),
            _("Nobody can buy anything, everywhere. Units and orders stay."),
            (("sale_enabled", False),),
        ),
    )
}


def throw_preset(
    preset: Preset, *, reason: str, by: "User | None", now: datetime, until: datetime | None = None
) -> list[SwitchThrow] | StockSource:
    """All of it everywhere, or nothing.

    Raises ValidationError; of a source InventoryError, ValueError (a bad reason, or an `until`: a
    source changes back when somebody has seen that it is there).
    """
    if preset.source:
        if until is not None:
            raise ValueError("a stock source does not change back by itself")
        return inventory.switch_source(preset.source, reason=reason, by=by, forced=True)
    batch = uuid.uuid4()
    with transaction.atomic():
        thrown = [
            services.write_down(
                name,
                value,
                reason=reason,
                by=by,
                now=now,
                until=until,
                preset=preset.name,
                batch=batch,
            )
            for name, value in preset.values
        ]
        services.publish(thrown, f"preset {preset.name}: {reason}", now)
    return thrown


def batch_in_force(preset: Preset, now: datetime) -> list[SwitchThrow]:
    """The newest throws of it of which something is in force."""
    ours = services.in_force(now).filter(preset=preset.name).select_related("by").order_by("-pk")
    newest = ours.first()
    return [] if newest is None else list(ours.filter(batch=newest.batch))


def revert_preset(preset: Preset, *, reason: str, by: "User | None", now: datetime) -> None:
    """What was thrown with it newest. The source goes back to the primary cluster, planned.

    Raises NotInForce, ValidationError; of a source InventoryError.
    """
    if preset.source:
        if inventory.current_source()[0] != preset.source:
            raise services.NotInForce
        inventory.switch_source(Source.PRIMARY, reason=reason, by=by)
        return
    thrown = batch_in_force(preset, now)
    if not thrown or thrown[0].batch is None:
        raise services.NotInForce
    services.end_batch(thrown[0].batch, reason=reason, by=by, now=now)
