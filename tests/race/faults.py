"""Who is killed, and what happens to the disk of the stock Redis meanwhile."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.race.conftest import Victim
from tests.race.points import POINTS
from tests.race.sale import Sale
from tests.race.stock_disk import StockDisk

KILLED, ROLLED_BACK = "killed", "killed, AOF rolled back"
FAULTS = (KILLED, ROLLED_BACK)
PROCESSES = ("stock_agent", "relay", "order_consumer")

Healthy = Callable[[Sequence[str]], AbstractContextManager[None]]


@dataclass(frozen=True)
class Accident:
    """A worker dies at a point of a running sale, and its successor makes the books right."""

    sale: Sale
    disk: StockDisk
    healthy: Healthy
    victim: Callable[[str], Victim]

    def happen(self, point: str, fault: str, provoke: Callable[[], None]) -> None:
        """All other workers run; `provoke` brings the sale to where the victim dies."""
        kind = POINTS[point].process
        with self.healthy([name for name in PROCESSES if name != kind]):
            victim = self.victim(point)
            provoke()
            victim.must_die()
            self._go_on(fault, [kind])

    def happen_to_a_task(self, point: str, fault: str, again: Callable[[], None]) -> None:
        """As `happen`, for a task that Celery runs again."""
        with self.healthy(PROCESSES):
            self.victim(point).must_die()
            self._roll_back_if(fault)
            again()
            self._go_on(KILLED, [], lost_allowed=fault == ROLLED_BACK)

    def _go_on(self, fault: str, successors: Sequence[str], lost_allowed: bool = False) -> None:
        self.sale.buy(4)  # shards sell on while the victim is missing
        self._roll_back_if(fault)
        with self.healthy(successors):
            self.sale.sell_out()
            self.sale.come_to_rest()
            lost_allowed = lost_allowed or fault == ROLLED_BACK
            if not lost_allowed:
                self.sale.ask_again()
        self.sale.judge(lost_allowed=lost_allowed)

    def _roll_back_if(self, fault: str) -> None:
        if fault == ROLLED_BACK:
            self.disk.roll_back()
