"""The queues' figures on the board."""

from collections.abc import Sequence

from workers.queue.config import QueueConfig
from workers.queue.line import Called
from workers.queue.stock_sight import Free
from workers.queue.window import Standing
from workers.runtime import metrics

_OF_BUCKET = (
    metrics.QUEUE_WAITING,
    metrics.QUEUE_OUTSTANDING,
    metrics.QUEUE_SERVED,
    metrics.QUEUE_WRITTEN_OFF,
)


class Gauges:
    """An ended sale's last figures must not stay on the board."""

    def __init__(self) -> None:
        self._shown: dict[int, list[str]] = {}

    def show(
        self,
        config: QueueConfig,
        standings: Sequence[Standing],
        window: Sequence[Called],
        free: Free | None,
    ) -> None:
        """What a tick has seen and done."""
        item = config.item.id
        for name, standing, called in zip(config.names, standings, window, strict=True):
            metrics.QUEUE_WAITING.labels(item, name).set(standing.demand)
            metrics.QUEUE_OUTSTANDING.labels(item, name).set(standing.outstanding)
            metrics.QUEUE_SERVED.labels(item, name).set(called.served_until)
            metrics.QUEUE_WRITTEN_OFF.labels(item, name).set(called.written_off)
        metrics.QUEUE_FREE_UNITS.labels(item).set(free.units if free else 0)
        self._shown[item] = config.names

    def keep_only(self, items: set[int]) -> None:
        """Forget all others."""
        for item in [one for one in self._shown if one not in items]:
            for name in self._shown.pop(item):
                for gauge in _OF_BUCKET:
                    gauge.remove(item, name)
            metrics.QUEUE_FREE_UNITS.remove(item)
