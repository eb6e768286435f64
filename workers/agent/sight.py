"""What one round knows of an item: its view in PostgreSQL, and what its shards said between two."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from control_plane.inventory.services import AllocationView, View
from workers.agent.levelling import Demand
from workers.stock.keys import Shard
from workers.stock.sale_items import SaleItem
from workers.stock.shard import ShardState


def shard_in(item_id: int, allocation: AllocationView) -> Shard:
    """Where the epoch's keys are."""
    return Shard(item_id, allocation.shard, allocation.epoch, allocation.source)


@dataclass
class Sight:
    """One item in one round, its epochs that sell by shard number.

    `seen`: everything they said. `states`: of those that units may go to and come from. `refusing`:
    those that answer and take no writes; what they hold is out of reach, and nobody can buy it.
    """

    item: SaleItem
    # Read before the first look, and after the last one.
    before: View
    now: View
    states: dict[int, ShardState] = field(default_factory=dict)
    seen: dict[int, ShardState] = field(default_factory=dict)
    refusing: set[int] = field(default_factory=set)

    def note(self, looked: Mapping[Shard, ShardState]) -> None:
        """Keep what was seen of those epochs that sell now."""
        for number, allocation in self.now.selling.items():
            state = looked.get(shard_in(self.item.id, allocation))
            if state is not None:
                self.seen[number] = state
                if state.takes_writes:
                    self.states[number] = state
                else:
                    self.refusing.add(number)

    def forget(self, number: int) -> None:
        """Nobody knows what the shard has now: it is not planned with in this round."""
        self.states.pop(number, None)

    def drop(self, number: int) -> None:
        """The shard's epoch sells no more."""
        self.forget(number)
        self.seen.pop(number, None)
        self.refusing.discard(number)

    @property
    def demands(self) -> dict[int, Demand]:
        """Free and missing units by shard number."""
        return {number: Demand(state.avail, state.lacking) for number, state in self.states.items()}

    @property
    def free(self) -> int:
        """Units in the shards that were seen."""
        return sum(state.avail for state in self.states.values())

    @property
    def is_whole(self) -> bool:
        """Whether `states` show every unit there is.

        The shards were seen one after the other. They held all of it at once only if no unit was
        under way before the first look or after the last, and none set out between: else it may
        each time have been where nobody looked.
        """
        return (
            self.states.keys() == set(range(self.item.shards))
            and not (self.before.under_way or self.now.under_way)
            and self.before.movements == self.now.movements
            and self.now.unallocated == 0
            and _epochs(self.before) == _epochs(self.now)
        )


def _epochs(view: View) -> dict[int, int]:
    return {number: allocation.id for number, allocation in view.selling.items()}
