"""The agent's figures on the board."""

from collections import Counter
from collections.abc import Iterable, Mapping

from control_plane.inventory.models import Rearm, RearmStage, Source
from workers.agent.sight import Sight
from workers.runtime import metrics


class Gauges:
    """An ended campaign's last figures must not stay on the board or keep an alert alive."""

    def __init__(self) -> None:
        self._shown: dict[int, int] = {}

    def show(self, sights: Mapping[int, Sight]) -> list[int]:
        """What this round has seen; returns the items that are gone since the last one."""
        for pk, sight in sights.items():
            metrics.POOL_UNALLOCATED.labels(pk).set(sight.now.unallocated)
            for number in range(sight.item.shards):
                state = sight.seen.get(number)
                allocation = sight.now.selling.get(number)
                sells = state is not None or (
                    allocation is not None and allocation.source == Source.DATABASE
                )
                metrics.SHARD_FENCED.labels(pk, number).set(0 if sells else 1)
                metrics.SHARD_AVAIL.labels(pk, number).set(state.avail if state else 0)
                refuses = number in sight.refusing
                metrics.SHARD_TAKES_WRITES.labels(pk, number).set(0 if refuses else 1)
        gone = [pk for pk in self._shown if pk not in sights]
        for pk in gone:
            metrics.POOL_UNALLOCATED.remove(pk)
            for number in range(self._shown[pk]):
                metrics.SHARD_FENCED.remove(pk, number)
                metrics.SHARD_AVAIL.remove(pk, number)
                metrics.SHARD_TAKES_WRITES.remove(pk, number)
        self._shown = {pk: sight.item.shards for pk, sight in sights.items()}
        return gone

    def show_rearms(self, rearms: Iterable[Rearm]) -> None:
        """Old epochs that are not closed, by stage."""
        by_stage = Counter(rearm.stage for rearm in rearms)
        for stage in RearmStage:
            if stage != RearmStage.CLOSED:
                metrics.REARMS_OPEN.labels(stage.value).set(by_stage[stage])
