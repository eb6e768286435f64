"""The draw record: what is published of a draw that was revealed, for anybody to check."""

from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Any

from control_plane.queues.models import Draw
from control_plane.queues.places import ALGORITHM, places

HEADER = "bucket,lobby_number,place\n"
# Rows that are computed between two pieces of the download; 30 µs each.
ROWS_PER_PIECE = 500


def summary(draw: Draw) -> dict[str, Any]:
    """The record without its rows, which follow from it."""
    assert draw.revealed_at and draw.closed_at
    return {
        "item": draw.item_id,
        "algorithm": ALGORITHM,
        "commit": draw.commit,
        "seed": draw.seed,
        "sizes": draw.sizes,
        "buckets": draw.buckets,
        "created_at": draw.created_at.isoformat(),
        "closed_at": draw.closed_at.isoformat(),
        "revealed_at": draw.revealed_at.isoformat(),
    }


def rows(draw: Draw) -> Iterator[str]:
    """bucket,lobby_number,place for everybody who joined, by bucket and lobby number."""
    for bucket, of in enumerate(places(bytes.fromhex(draw.seed), draw.item_id, draw.sizes or [])):
        for number in range(of.size):
            yield f"{bucket},{number},{of.place_of(number)}\n"


async def pieces(draw: Draw) -> AsyncIterator[bytes]:
    """The CSV file piece by piece: Django would collect an ordinary iterator in memory first."""
    yield HEADER.encode()
    lines = rows(draw)
    while piece := "".join(islice(lines, ROWS_PER_PIECE)):
        yield piece.encode()
