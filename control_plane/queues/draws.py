"""What the snapshot says of a draw."""

from typing import Any

from control_plane.campaigns.models import Item


def draw_of(item: Item) -> dict[str, Any] | None:
    """The section `item.queue.draw`: seed and sizes only once they are revealed.

    `item` with its draw selected, so that a document of many items asks nothing more.
    """
    draw = getattr(item, "draw", None)
    if draw is None:
        return None
    is_revealed = draw.revealed_at is not None
    return {
        "commit": draw.commit,
        "sizes": draw.sizes if is_revealed else None,
        "seed": draw.seed if is_revealed else None,
    }
