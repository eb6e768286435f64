"""Who obeys a version of the configuration, by what gateways and edges say of themselves."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from control_plane.snapshot.lag import STALE_AFTER
from control_plane.snapshot.models import Heartbeat, InstanceKind


@dataclass
class Kind:
    """Of gateways, or of edges: how many run it, who does not yet, who is silent."""

    kind: str
    label: str
    running: int = 0
    alive: int = 0
    heard_ms: int | None = None
    # Of those that run exactly this version: from the throw to the last worker.
    took_ms: int | None = None
    behind: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)


def heartbeats() -> list[Heartbeat]:
    """All, once for a page."""
    return list(Heartbeat.objects.order_by("kind", "instance"))


def running(
    version: int, thrown_at: datetime | None, beats: Iterable[Heartbeat], now: datetime
) -> Sequence[Kind]:
    """By kind; one that is silent is not counted, its name is said."""
    kinds = {kind: Kind(kind, str(label)) for kind, label in InstanceKind.choices}
    for beat in beats:
        of = kinds[beat.kind]
        if now - beat.at > STALE_AFTER:
            of.silent.append(beat.instance)
            continue
        of.alive += 1
        age_ms = max(0, int((now - beat.at).total_seconds() * 1000))
        of.heard_ms = age_ms if of.heard_ms is None else max(of.heard_ms, age_ms)
        if beat.lowest_version < version:
            of.behind.append(beat.instance)
            continue
        of.running += 1
        applied = [one["applied_at_ms"] for one in beat.workers if one["version"] == version]
        if applied and thrown_at is not None:
            took = max(applied) - int(thrown_at.timestamp() * 1000) - beat.clock_ahead_ms
            of.took_ms = max(0, took, of.took_ms or 0)
    return [kind for kind in kinds.values() if kind.alive or kind.silent]
