"""Outbox → Kafka, at least once. A relay that stood still goes on later with what it had read."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tests.sim import stock_calls
from tests.sim.nouns import Intent, Tag, Trouble, name_of

if TYPE_CHECKING:
    from tests.sim.world import World

Steps = Iterator[str | None]
ENTRIES_A_READ = 2
# How often a relay looks for what others left pending (there is no idle time here: a relay that
# stands still is overtaken at once, which is the harder case).
CLAIM_SHARE = 0.2


class Relay:
    """One process of the group `relay`."""

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.name = name

    def run(self) -> Steps:
        """Read, produce, acknowledge, for ever."""
        # Its own pending entries first: an earlier life may have read and not delivered them.
        read = stock_calls.claim
        while True:
            tag = self._outbox_with_work(read)
            if tag is not None:
                try:
                    yield from self._relay(tag, read)
                except Trouble as trouble:
                    yield f"{name_of(tag)} rests: {trouble!r}"
            else:
                yield None
            looks_back = self.world.rng.random() < CLAIM_SHARE
            read = stock_calls.claim if looks_back else stock_calls.read_group

    def _outbox_with_work(self, read: Any) -> Tag | None:
        """Stands for polling all of them: a poll that finds nothing changes nothing."""
        found = []
        for tag in self.world.pg.allocations:
            keys = self.world.cluster.group_of(tag).seen_by(self.name).data.get(tag)
            if keys is None:
                continue
            new = keys.delivered < len(keys.outbox)
            if keys.pending if read is stock_calls.claim else new:
                found.append(tag)
        return self.world.rng.choice(found) if found else None

    def _relay(self, tag: Tag, read: Any) -> Steps:
        entries = self._redis(tag, read, self.name, ENTRIES_A_READ)
        yield f"read {len(entries)} entries of {name_of(tag)}"
        for place, entry in entries:
            if not self.world.guarded("acknowledged only after Kafka"):
                self._redis(tag, stock_calls.acknowledge, place)
                yield f"acknowledged {name_of(tag)}/{place}"
            for intent in entry:
                yield from self._produce(intent)
            self._redis(tag, stock_calls.acknowledge, place)
            yield f"acknowledged {name_of(tag)}/{place}"

    def _produce(self, intent: Intent) -> Steps:
        kafka = self.world.kafka
        while True:
            try:
                kafka.produce(kafka.partition_of(intent.shopper), intent)
            except Trouble as trouble:
                yield f"sends {intent.rid} again: {trouble!r}"
                continue
            yield f"produced {intent.rid} of {name_of(intent.tag)}"
            return

    def _redis(self, tag: Tag, script: Any, *args: Any) -> Any:
        return self.world.cluster.call(self.name, tag, script, *args)
