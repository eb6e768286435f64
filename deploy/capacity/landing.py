"""From the outbox to CONFIRMED in the simulation: relays, Kafka, consumers, the item's pool."""

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import simpy

from deploy.capacity.figures import LANDING_BATCH
from deploy.capacity.seen import Latencies, Work

Process = Generator[simpy.Event, Any, None]
# workers/relay.py: ENTRIES_A_READ_MAX, IDLE_MAX_S (a test compares).
ENTRIES_A_READ = 32
IDLE_S = 0.02


@dataclass(frozen=True)
class Costs:
    """Seconds that each step takes; `between_s`: an order in its consumer, between transactions."""

    relay_s: float
    batch_s: float
    order_s: float
    between_s: float
    kafka_ack_s: float

    @property
    def item_lands_per_s(self) -> float:
        """Orders a second of one item, in full batches, one transaction after the other."""
        return LANDING_BATCH / (self.batch_s + LANDING_BATCH * self.order_s)

    @property
    def lands_per_s(self) -> float:
        """Orders a second of one consumer, in full batches."""
        each_s = self.order_s + self.between_s
        return LANDING_BATCH / (self.batch_s + LANDING_BATCH * each_s)


class Landing:
    """All of it. Where a slice of the shards is simulated, a winner stands for `scale` orders."""

    def __init__(
        self,
        env: simpy.Environment,
        costs: Costs,
        relays: int,
        consumers: int,
        scale: int,
        rng: np.random.Generator,
    ) -> None:
        self._env, self._costs, self._scale, self._rng = env, costs, scale, rng
        self._outbox: deque[tuple[float, list[float]]] = deque()
        self._partitions: list[deque[tuple[float, float]]] = [deque() for _ in range(consumers)]
        self._pool = simpy.Resource(env, 1)
        self._written = env.event()
        self._came = [env.event() for _ in range(consumers)]
        self.confirmed = 0
        self.last_confirmed_s = 0.0
        self.relayed, self.landed, self.clicks = Latencies(), Latencies(), Latencies()
        self.relay_work = Work(relays / costs.relay_s)
        self.landing_work = Work(min(consumers * costs.lands_per_s, costs.item_lands_per_s))
        for _ in range(relays):
            env.process(self._relay())
        for number in range(consumers):
            env.process(self._consumer(number))

    def reserved(self, clicks: list[float]) -> None:
        """An entry of an outbox: the times at which its winners clicked."""
        self._outbox.append((self._env.now, clicks))
        if not self._written.triggered:
            self._written.succeed()

    def _relay(self) -> Process:
        while True:
            if not self._outbox:
                if self._written.triggered:
                    self._written = self._env.event()
                yield self._written
                # It looks now and then, and has been idle.
                yield self._env.timeout(self._rng.uniform(0, IDLE_S))
                continue
            read = [self._outbox.popleft() for _ in range(min(ENTRIES_A_READ, len(self._outbox)))]
            orders = self._scale * sum(len(clicks) for _, clicks in read)
            begins = self._env.now
            yield self._env.timeout(orders * self._costs.relay_s)
            self.relay_work.note(begins, self._env.now, orders)
            self._env.process(self._deliver(read))

    def _deliver(self, read: list[tuple[float, list[float]]]) -> Process:
        yield self._env.timeout(self._costs.kafka_ack_s)
        now = self._env.now
        for written_s, clicks in read:
            self.relayed.add(now - written_s, self._scale * len(clicks))
            homes = self._rng.integers(len(self._partitions), size=len(clicks))
            for click_s, home in zip(clicks, homes.tolist(), strict=True):
                self._partitions[home].append((now, click_s))
        for came, partition in zip(self._came, self._partitions, strict=True):
            if partition and not came.triggered:
                came.succeed()

    def _consumer(self, number: int) -> Process:
        partition = self._partitions[number]
        most = max(1, LANDING_BATCH // self._scale)
        while True:
            if not partition:
                self._came[number] = self._env.event()
                yield self._came[number]
                continue
            batch = [partition.popleft() for _ in range(min(most, len(partition)))]
            orders = self._scale * len(batch)
            with self._pool.request() as held:
                yield held
                begins = self._env.now
                yield self._env.timeout(self._costs.batch_s + orders * self._costs.order_s)
            self._confirm(batch, begins)
            yield self._env.timeout(orders * self._costs.between_s)

    def _confirm(self, batch: list[tuple[float, float]], begins: float) -> None:
        now = self._env.now
        orders = self._scale * len(batch)
        self.landing_work.note(begins, now + orders * self._costs.between_s, orders)
        for came_s, click_s in batch:
            self.landed.add(now - came_s, self._scale)
            self.clicks.add(now - click_s, self._scale)
        self.confirmed += len(batch)
        self.last_confirmed_s = now
