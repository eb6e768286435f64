"""Who changes orders and totals: expiry, payment, release after a return, the marketer."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.sim import pg_epochs, pg_landing, pg_stock, stock_calls
from tests.sim.nouns import Fenced, Trouble

if TYPE_CHECKING:
    from tests.sim.world import World

Steps = Iterator[str | None]


class OrderClerk:
    """Expires or settles unpaid orders. Several at once, and each order perhaps by several."""

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.name = name

    def run(self) -> Steps:
        """One order after the other."""
        rng, pg = self.world.rng, self.world.pg
        while True:
            yield None
            try:
                unpaid = pg_landing.live_orders(pg)
                if not unpaid:
                    continue
                order_id, shopper, rid = rng.choice(unpaid)
                yield f"picked {rid}"
                if rng.random() < 0.3:
                    pg_landing.pay(pg, order_id)
                    yield f"{rid} paid"
                    continue
                to_state = rng.choice(["expired", "cancelled"])
                ended = pg_landing.return_units(pg, order_id, to_state)
                yield f"{rid} {to_state if ended else 'was paid meanwhile'}"
                # Having asked for the return is not enough: a payment may have come first.
                if ended or not self.world.guarded("released only when ended"):
                    yield from self._release(shopper, rid)
            except Trouble as trouble:
                yield f"later: {trouble!r}"

    def _release(self, shopper: str, rid: str) -> Steps:
        """Let him buy again. A release that never comes costs him that, and nobody a unit."""
        row = pg_epochs.selling(self.world.pg, self.world.home_of(shopper))
        yield None
        if row is None:
            return
        try:
            self.world.cluster.call(self.name, row.tag, stock_calls.release, shopper, rid)
        except Fenced:
            return
        yield f"released {rid}"


class Marketer:
    """Adds and withdraws units while the sale goes on."""

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.name = name

    def run(self) -> Steps:
        """Now and then, by a few units."""
        rng, pg = self.world.rng, self.world.pg
        while True:
            yield None
            if rng.random() > 0.1:
                continue
            qty = rng.randint(1, 3)
            change = rng.choice([pg_stock.top_up, pg_stock.withdraw])
            try:
                change(pg, qty)
                yield f"{change.__name__} {qty}"
            except Trouble as trouble:
                yield f"{change.__name__} {qty}: {trouble!r}"
