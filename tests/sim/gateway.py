"""Gateways and the crowd before them: batches with a snapshot that may be old, retries, repeats."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.sim import pg_stock, stock_calls
from tests.sim.nouns import Fenced, Intent, Trouble, Unknown, name_of, sha_of

if TYPE_CHECKING:
    from tests.sim.world import World

Steps = Iterator[str | None]
BATCH_MAX = 3
# A gateway that hears nothing of the control plane for this long sells no more.
LEASE_MS = 2000
# It believes a shard's sold_out for this long.
SOLD_OUT_MEMORY_MS = 1000
TRIES_MAX = 4
CLICKS_MAX = 4
OUTCOME = {"R": "reserved", "L": "limit_reached", "E": "busy", "S": "sold_out"}


@dataclass(slots=True)
class Purchase:
    """What a shopper sends, and sends again: the reservation id comes from his idempotency key."""

    rid: str
    shopper: str
    qty: int
    tries: int = 0


class Gateway:
    """One nginx worker."""

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.name = name
        self.queue: list[Purchase] = []
        self.epochs: dict[int, int] = {}
        self.heard_ms = -LEASE_MS
        self.sold_out_until = -1

    def watch(self) -> Steps:
        """The long poll. Between reading and using a snapshot any time may pass."""
        while True:
            try:
                epochs = pg_stock.snapshot(self.world.pg)
                heard_ms = self.world.now
                yield None
                self.epochs, self.heard_ms = epochs, max(heard_ms, self.heard_ms)
            except Trouble:
                pass
            yield None

    def run(self) -> Steps:
        """Answer what waits, one batch a shard."""
        world = self.world
        while True:
            if not self.queue:
                yield None
                continue
            shard = world.home_of(self.queue[0].shopper)
            batch = [one for one in self.queue if world.home_of(one.shopper) == shard][:BATCH_MAX]
            self.queue = [one for one in self.queue if one not in batch]
            if world.now < self.sold_out_until:
                world.crowd.answer(batch, ["sold_out"] * len(batch))
                yield f"{len(batch)} × sold_out from memory"
            elif shard not in self.epochs or world.now - self.heard_ms > LEASE_MS:
                world.crowd.answer(batch, ["busy"] * len(batch))
                yield f"{len(batch)} × busy: nothing to sell from"
            else:
                yield from self._reserve((shard, self.epochs[shard]), batch)

    def _reserve(self, tag: tuple[int, int], batch: list[Purchase]) -> Steps:
        intents = [Intent(one.rid, *tag, one.shopper, one.qty) for one in batch]
        yield f"sends {', '.join(one.rid for one in batch)} to {name_of(tag)}"
        try:
            answers = self.world.cluster.call(
                self.name, tag, stock_calls.reserve, sha_of(tag), intents
            )
            outcomes = [self._outcome(tag, answer) for answer in answers]
        except Unknown:
            outcomes = ["pending"] * len(batch)
        except (Fenced, Trouble):
            outcomes = ["busy"] * len(batch)
        self.world.crowd.answer(batch, outcomes)
        yield f"{name_of(tag)}: " + ", ".join(
            f"{one.rid}×{one.qty} {outcome}" for one, outcome in zip(batch, outcomes, strict=True)
        )

    def _outcome(self, tag: tuple[int, int], answer: stock_calls.Answer) -> str:
        if answer.code == "S":
            self.sold_out_until = self.world.now + SOLD_OUT_MEMORY_MS
        if answer.code == "E":
            # The agent reads these counters from the gateways' metrics.
            lacking = self.world.refused_for_lack
            lacking[tag[0]] = lacking.get(tag[0], 0) + 1
        if answer.code == "A":
            # A reservation that has ended is answered by its status, not as reserved.
            return "reserved" if answer.counted else "over"
        return OUTCOME[answer.code]


class Crowd:
    """The shoppers."""

    def __init__(self, world: "World", shoppers: int, purchases: int) -> None:
        self.world = world
        self.shoppers = [f"p{number}" for number in range(shoppers)]
        self.purchases_left = purchases
        self.made = 0
        self.again: list[Purchase] = []

    def run(self) -> Steps:
        """Some click, some for the first time."""
        rng = self.world.rng
        while True:
            clicks = []
            for _ in range(rng.randint(1, CLICKS_MAX)):
                if self.again and rng.random() < 0.5:
                    clicks.append(self.again.pop(rng.randrange(len(self.again))))
                elif self.purchases_left:
                    self.purchases_left -= 1
                    clicks.append(self.new_purchase(rng.choice(self.shoppers)))
            gateway = rng.choice(self.world.gateways)
            gateway.queue += clicks
            said = ", ".join(f"{one.rid}×{one.qty}" for one in clicks)
            yield f"{said} at {gateway.name}" if clicks else None

    def new_purchase(self, shopper: str, qty: int = 0) -> Purchase:
        """With an idempotency key of its own."""
        self.made += 1
        qty = qty or self.world.rng.randint(1, self.world.limit)
        return Purchase(f"{shopper}.{self.made}", shopper, qty)

    def answer(self, batch: list[Purchase], outcomes: list[str]) -> None:
        """Shoppers hear; some send the same again, also after a success they did not hear of."""
        for purchase, outcome in zip(batch, outcomes, strict=True):
            self.world.history.note_answer(purchase.rid, purchase.qty, outcome)
            purchase.tries += 1
            eager = 0.6 if outcome in ("busy", "pending") else 0.2
            if purchase.tries < TRIES_MAX and self.world.rng.random() < eager:
                self.again.append(purchase)
