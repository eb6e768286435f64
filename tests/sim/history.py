"""What really happened, seen from outside: holds, answers, losses. No actor reads it."""

from typing import TYPE_CHECKING

from tests.sim.nouns import Intent, Violation

if TYPE_CHECKING:
    from tests.sim.world import World

# A mark holds 1 s from the agent's look, a gateway believes it for 1 s, and an old master that does
# not know of its successor may show an empty shard for as long as it lives.
SOLD_OUT_LATE_MS = 2000
# (reservation, epoch): a reservation may be held in two epochs when the second did not know it.
Hold = tuple[str, int]


class History:
    """Follows every unit from Redis to PostgreSQL."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.holds: dict[Hold, Intent] = {}
        self.produced: dict[Hold, None] = {}
        self.lost: dict[str, None] = {}
        self.answered: dict[str, int] = {}
        self.outcomes: dict[str, int] = {}
        self.free_since: int | None = 0

    def note_holds(self, entry: list[Intent]) -> None:
        """The reserve script took units."""
        for intent in entry:
            self.holds[intent.rid, intent.epoch] = intent

    def note_produced(self, intent: Intent) -> None:
        """Kafka has it: from now on it must be decided."""
        self.produced[intent.rid, intent.epoch] = None
        self.lost.pop(intent.rid, None)

    def note_settled(self, intent: Intent) -> None:
        """PostgreSQL has answered for it."""
        self.holds.pop((intent.rid, intent.epoch), None)

    def note_losses(self) -> None:
        """Which holds does no node have any more, and no Kafka either?"""
        for hold, intent in list(self.holds.items()):
            if hold in self.produced:
                continue
            for node in self.world.cluster.group_of(intent.tag).live():
                keys = node.data.get(intent.tag)
                if keys is not None and any(intent in entry for entry in keys.outbox):
                    break
            else:
                del self.holds[hold]
                self.lost[intent.rid] = None

    def note_answer(self, rid: str, qty: int, outcome: str) -> None:
        """What a shopper was told."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        if outcome == "reserved":
            self.answered.setdefault(rid, qty)
        if outcome == "sold_out" and self.free_since is not None:
            free_ms = self.world.now - self.free_since
            if free_ms > SOLD_OUT_LATE_MS:
                raise Violation(f"{rid} heard sold_out while a unit was free for {free_ms} ms")

    def free_units(self) -> int:
        """Units in no live order and not held for somebody."""
        held = sum(intent.qty for intent in self.holds.values())
        return self.world.pg.total - self.world.pg.live_units() - held

    def note_time(self) -> None:
        """Since when has there been a free unit?"""
        if self.free_units() <= 0:
            self.free_since = None
        elif self.free_since is None:
            self.free_since = self.world.now
