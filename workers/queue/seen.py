"""What one tick knows of a queue between looking at it and moving its window."""

from dataclasses import dataclass

from control_plane.queues.services import State
from workers.queue.config import QueueConfig
from workers.queue.line import Looked
from workers.queue.stock_sight import Free
from workers.queue.window import Standing
from workers.stock.cluster import StockCluster


@dataclass(frozen=True)
class Seen:
    """One queue in this tick, before its window is moved."""

    config: QueueConfig
    cluster: StockCluster
    state: State
    looked: Looked
    standings: list[Standing]
    free: Free | None
    may_call: bool

    @property
    def allowed(self) -> int:
        """How many places may be outstanding."""
        return self.config.k * (self.free.units if self.free else 0)

    @property
    def wanted(self) -> int:
        """Places that would be called now if the pipeline took everything."""
        if not self.may_call:
            return 0
        room = self.allowed - sum(one.outstanding for one in self.standings)
        return max(min(room, sum(one.demand for one in self.standings)), 0)


def standings_of(looked: Looked, sizes: list[int]) -> list[Standing]:
    """Numbers become places: those of a draw come before all numbers."""
    return [
        Standing(
            served_until=called.served_until,
            written_off=called.written_off,
            issued=size + number,
            came=came,
            gaps=[(size + first, size + last) for first, last in gaps],
        )
        for called, number, came, size, gaps in zip(
            looked.window, looked.numbers, looked.came, sizes, looked.gaps, strict=True
        )
    ]
