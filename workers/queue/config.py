"""What the newest snapshot says of the queues: the same words that the gateways read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from control_plane.queues.services import DRAW
from control_plane.snapshot.models import Snapshot
from workers.queue.line import BUCKETS_MAX, QueueKeys
from workers.stock.sale_items import SaleItem

# A queue without a lobby is opened so long before its sale.
OPEN_LEAD_MS = 60_000
FIFO = "fifo"


@dataclass(frozen=True)
class QueueConfig:
    """One item's queue, in a mode that has one. Buckets in their order, each with its weight."""

    item: SaleItem
    mode: str
    buckets: tuple[tuple[str, int], ...]
    k: int
    grace_s: float
    start_ms: int

    @property
    def names(self) -> list[str]:
        """Of the buckets."""
        return [name for name, _ in self.buckets]

    @property
    def weights(self) -> list[int]:
        """Of the buckets."""
        return [weight for _, weight in self.buckets]

    @property
    def layout(self) -> dict[str, Any]:
        """What the places mean: after a change of it the queue begins anew."""
        return {"mode": self.mode, "buckets": self.names}

    @property
    def keys(self) -> QueueKeys:
        """In the stock Redis."""
        return QueueKeys(self.item.id, len(self.buckets))

    @property
    def is_draw(self) -> bool:
        """Whether a lobby comes before."""
        return self.mode == DRAW


def of_document(document: Mapping[str, Any], now_ms: int) -> list[QueueConfig]:
    """The queues that are to be looked after now, of a snapshot's document."""
    found = []
    for item in document["items"].values():
        queue = item.get("queue")
        if not queue or queue["mode"] not in (FIFO, DRAW) or not queue["buckets"]:
            continue
        opens_ms = item["start_ms"] - OPEN_LEAD_MS
        if queue["mode"] == DRAW:
            opens_ms = min(opens_ms, queue.get("opens_ms") or opens_ms)
        if item["state"] == "ended" or not opens_ms <= now_ms < item["end_ms"]:
            continue
        found.append(_of_item(item, queue))
    return found


def _of_item(item: Mapping[str, Any], queue: Mapping[str, Any]) -> QueueConfig:
    return QueueConfig(
        item=SaleItem(item["id"], item["limit"], item["shard_count"], item["state"] == "live"),
        mode=queue["mode"],
        buckets=tuple(
            (bucket["name"], max(int(bucket["weight"]), 1))
            for bucket in queue["buckets"][:BUCKETS_MAX]
        ),
        k=int(queue["k"]),
        grace_s=queue["grace_ms"] / 1000,
        start_ms=item["start_ms"],
    )


class Newest:
    """The newest snapshot's document; read again only when there is another version."""

    def __init__(self) -> None:
        self._version = 0
        self._document: dict[str, Any] = {"items": {}}

    def document(self) -> dict[str, Any]:
        """Blocking; raises the database's errors."""
        newest = Snapshot.objects.order_by("-version")
        version = newest.values_list("version", flat=True).first()
        if version is not None and version != self._version:
            self._document = Snapshot.objects.get(pk=version).document
            self._version = version
        return self._document
