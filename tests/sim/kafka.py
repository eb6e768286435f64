"""Topic `reservations`: ordered within a partition, delivered at least once."""

import zlib
from typing import TYPE_CHECKING

from tests.sim.nouns import Intent, Message, Unknown, Unreachable

if TYPE_CHECKING:
    from tests.sim.world import World

LOST_ACK_SHARE = 0.15


class Kafka:
    """Partitions, the group's committed offsets, and which consumer reads which partition."""

    def __init__(self, world: "World", partitions: int) -> None:
        self.world = world
        self.partitions = partitions
        self.down = False
        self.messages: list[list[Message]] = [[] for _ in range(partitions)]
        self.committed = [0] * partitions
        self.owner: list[str] = [""] * partitions

    def partition_of(self, shopper: str) -> int:
        """The key is the shopper."""
        return zlib.crc32(shopper.encode()) % self.partitions

    def produce(self, partition: int, message: Message) -> None:
        """acks=all; a lost acknowledgement makes the caller send it again. Raises Trouble."""
        if self.down:
            raise Unreachable("Kafka")
        self.messages[partition].append(message)
        if isinstance(message, Intent):
            self.world.history.note_produced(message)
        if self.world.lossy_network and self.world.rng.random() < LOST_ACK_SHARE:
            raise Unknown("Kafka")

    def unread(self, partition: int) -> int:
        """Messages that the group has not committed."""
        return len(self.messages[partition]) - self.committed[partition]

    def rebalance(self, consumers: list[str]) -> None:
        """Give every partition to somebody, at random."""
        self.owner = [self.world.rng.choice(consumers) for _ in range(self.partitions)]
