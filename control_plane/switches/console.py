"""What the console shows at one moment: every switch, who runs it, and the stock source."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from control_plane.inventory import services as inventory
from control_plane.inventory.models import Rearm, RearmStage, Source, StockSource
from control_plane.snapshot import services as snapshots
from control_plane.snapshot.models import Snapshot
from control_plane.switches import overview
from control_plane.switches.models import SwitchThrow
from control_plane.switches.presets import PRESETS, Preset, batch_in_force
from control_plane.switches.running import Kind, heartbeats, running


@dataclass
class Thrown:
    """A throw and who obeys it."""

    throw: SwitchThrow
    kinds: Any


@dataclass
class SourceRow:
    """The stock source as a switch: since when, by whom, who runs it, what is still on its way."""

    source: str
    label: str
    is_default: bool
    change: StockSource | None
    kinds: Any
    unfinished: int


@dataclass
class PresetRow:
    """A preset, and what of it is in force: when and by whom."""

    preset: Preset
    since: datetime | None
    by: Any
    reason: str


def state(now: datetime) -> dict[str, Any]:
    """For the page and for the part of it that is fetched anew. A fixed number of queries."""
    beats = heartbeats()
    newest = snapshots.newest_version()
    rows = overview.rows(now)
    source = _source(beats, now)
    return {
        "now": now,
        "newest": newest,
        "everybody": running(newest, None, beats, now),
        "rows": [
            {
                "row": row,
                "thrown": [
                    Thrown(throw, running(_version(throw, newest), throw.created_at, beats, now))
                    for throw in row.throws
                ],
            }
            for row in rows
        ],
        "source": source,
        "presets": [_preset(one, source, now) for one in PRESETS.values() if one.is_offered()],
        "is_normal": source.is_default and not any(row.throws for row in rows),
    }


def presets(now: datetime) -> list[PresetRow]:
    """Those that are offered here, and what is in force of each."""
    source = _source(heartbeats(), now)
    return [_preset(one, source, now) for one in PRESETS.values() if one.is_offered()]


def _version(throw: SwitchThrow, newest: int) -> int:
    """One without its version came with a longer campaign: whoever has the newest has it."""
    published = getattr(throw, "published", None)
    return newest if published is None else int(published.version)


def _source(beats: Any, now: datetime) -> SourceRow:
    source, generation = inventory.current_source()
    change = StockSource.objects.filter(generation=generation).select_related("by").first()
    kinds: list[Kind] = []
    if change is not None:
        later = Snapshot.objects.filter(created_at__gte=change.created_at).order_by("version")
        version = later.values_list("version", flat=True).first() or snapshots.newest_version()
        kinds = list(running(version, change.created_at, beats, now))
    unfinished = Rearm.objects.exclude(stage=RearmStage.CLOSED).count()
    is_default = source == Source.PRIMARY
    return SourceRow(source, str(Source(source).label), is_default, change, kinds, unfinished)


def _preset(preset: Preset, source: SourceRow, now: datetime) -> PresetRow:
    if preset.source:
        if source.source != preset.source or source.change is None:
            return PresetRow(preset, None, None, "")
        return PresetRow(preset, source.change.created_at, source.change.by, source.change.reason)
    thrown = batch_in_force(preset, now)
    if not thrown:
        return PresetRow(preset, None, None, "")
    return PresetRow(preset, thrown[0].created_at, thrown[0].by, thrown[0].reason)
