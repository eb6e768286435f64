"""Kafka → orders: read a batch, commit it in PostgreSQL, then commit its offset."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.sim import pg_landing
from tests.sim.nouns import Barrier, Trouble

if TYPE_CHECKING:
    from tests.sim.world import World

Steps = Iterator[str | None]
BATCH_MAX = 4


class OrderConsumer:
    """One member of the group; it may not notice that a partition was given to another."""

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.name = name

    def run(self) -> Steps:
        """Batches for ever; a crash replays what was not committed."""
        kafka = self.world.kafka
        while True:
            mine = [
                number
                for number in range(kafka.partitions)
                if kafka.owner[number] == self.name and kafka.unread(number)
            ]
            if not mine or kafka.down:
                yield None
                continue
            partition = self.world.rng.choice(mine)
            first = kafka.committed[partition]
            batch = kafka.messages[partition][first : first + self.world.rng.randint(1, BATCH_MAX)]
            yield f"read {len(batch)} from partition {partition} at {first}"
            if not self.world.guarded("barrier after what stands before it"):
                barriers = [message for message in batch if isinstance(message, Barrier)]
                if barriers:
                    yield from self._land(partition, barriers)
            yield from self._land(partition, batch)
            kafka.committed[partition] = max(kafka.committed[partition], first + len(batch))
            yield f"committed offset {kafka.committed[partition]} of partition {partition}"

    def _land(self, partition: int, batch: list) -> Steps:
        while True:
            try:
                pg_landing.land(self.world.pg, partition, batch)
            except Trouble as trouble:
                yield f"lands again: {trouble!r}"
                continue
            yield f"landed {len(batch)} of partition {partition}"
            return
