"""Draws: committed to at the approval, closed and revealed at the start. And the queues' marks."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from control_plane.campaigns.models import CampaignState, Item
from control_plane.queues.models import Draw, QueueState
from control_plane.queues.places import commit_of
from control_plane.snapshot import services as snapshots

SEED_BYTES = 32
DRAW = "draw"

Json = dict[str, Any]


@dataclass(frozen=True)
class State:
    """A row of QueueState as the controller works with it."""

    item: int
    generation: int
    oldest: int
    source: str
    layout: Json
    marks: Json
    revision: int


def prepare(item: Item) -> None:
    """Commit to a draw where the item is sold by one; part of its approval. Idempotent."""
    if getattr(item, "queue_mode", "off") == DRAW:
        open_draw(item.pk)


def open_draw(item_id: int) -> Draw:
    """The item's draw, with a seed that nobody has seen if it is new."""
    seed = secrets.token_bytes(SEED_BYTES)
    draw, _ = Draw.objects.get_or_create(
        item_id=item_id, defaults={"seed": seed.hex(), "commit": commit_of(seed)}
    )
    return draw


def open_late(item_id: int) -> Draw:
    """A draw for an item that had none at its approval; published, since readers must know it."""
    with transaction.atomic():
        draw = open_draw(item_id)
        snapshots.publish(f"draw of item {item_id} committed to")
    return draw


def draw_of(item: Item) -> Json | None:
    """The section `item.queue.draw` of the snapshot: seed and sizes only once they are revealed.

    As `item.draw` has it, which the snapshot reads for all items at once.
    """
    if not hasattr(item, "draw"):
        return None
    draw: Draw = item.draw
    is_revealed = draw.revealed_at is not None
    return {
        "commit": draw.commit,
        "sizes": draw.sizes if is_revealed else None,
        "seed": draw.seed if is_revealed else None,
    }


def reveal(item_id: int, sizes: Sequence[int], buckets: Sequence[str], now: datetime) -> bool:
    """Write down what the closed lobby's sizes are, and publish them with the seed, in one step.

    False when it was done before: the first sizes stand, whatever a second controller has read.
    """
    with transaction.atomic():
        hidden = Draw.objects.filter(pk=item_id, revealed_at__isnull=True)
        if not hidden.update(
            sizes=list(sizes), buckets=list(buckets), closed_at=now, revealed_at=timezone.now()
        ):
            return False
        snapshots.publish(f"draw of item {item_id} revealed")
    return True


def state_of(item_id: int) -> State:
    """Where the item's queue stands; generation 0 when it was never opened."""
    row, _ = QueueState.objects.get_or_create(item_id=item_id)
    return _state(row)


def ended(before: datetime) -> list[State]:
    """Queues that still have keys somewhere and whose sale ended before this time."""
    rows = QueueState.objects.filter(
        item__campaign__state=CampaignState.ENDED, item__campaign__ended_at__lt=before
    ).exclude(source="")
    return [_state(row) for row in rows]


def _state(row: QueueState) -> State:
    return State(
        row.item_id, row.generation, row.oldest, row.source, row.layout, row.marks, row.revision
    )


def store_state(state: State) -> State | None:
    """Write it; None when another controller has written since it was read."""
    following = replace(state, revision=state.revision + 1)
    ours = QueueState.objects.filter(item_id=state.item, revision=state.revision)
    written = ours.update(
        generation=state.generation,
        oldest=state.oldest,
        source=state.source,
        layout=state.layout,
        marks=state.marks,
        revision=following.revision,
        updated_at=timezone.now(),
    )
    return following if written else None
