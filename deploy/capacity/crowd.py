"""Shoppers, edge and gateways in the simulation: a tick at a time, all workers as one array.

A million requests a second are no million events: per tick each worker gets a number of requests,
and has a backlog in seconds. Only those whose home is a simulated shard become single requests,
each with its own time, from the gateway's lane on.
"""

from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import simpy

from deploy.capacity.arrivals import Curve
from deploy.capacity.line import Cohort, Line
from deploy.capacity.seen import Floats, Latencies, Work
from deploy.capacity.stock import ROUND_TRIP_S, Node, Units

Process = Generator[simpy.Event, Any, None]
Ints = npt.NDArray[np.int64]
TICK_S = 0.001
# openresty/gateway/sold_out.lua (a test compares).
BELIEVED_S = 0.25
# An M/M/1 queue of a tick: above it the backlog says what a wait is.
BUSY_MAX = 0.98


@dataclass(frozen=True)
class Front:
    """How many workers of one thread each, and their seconds for each request."""

    edges: int
    gateways: int
    entry_s: float
    purchase_s: float
    refused_s: float


class Lines:
    """Processes of one thread, each with a line of its own."""

    def __init__(self, count: int, rng: np.random.Generator) -> None:
        self._rng = rng
        self.backlog_s: Floats = np.zeros(count)
        self.waits, self.work = Latencies(), Work(float(count))

    def tick(self, now: float, counts: Ints, each_s: Floats) -> Floats:
        """Requests of this tick and what one costs; returns how long each worker's take."""
        work_s: Floats = counts * each_s
        busy = min(float(work_s.mean()) / TICK_S, BUSY_MAX)
        # They come at random within the tick, and so wait for each other; who finds a backlog, or
        # a tick with more work than time, waits for what is left of that when he comes.
        at_random_s = (self._rng.random(len(counts)) < busy) * self._rng.exponential(
            each_s / (1 - busy)
        )
        place = self._rng.random(len(counts))
        waits_s: Floats = np.maximum(self.backlog_s + place * (work_s - TICK_S), at_random_s)
        some = counts > 0
        self.waits.add_many((waits_s + each_s)[some], counts[some].astype(np.float64))
        before = self.backlog_s + work_s
        self.backlog_s = np.maximum(before - TICK_S, 0.0)
        self.work.note(now, now + TICK_S / 2, float((before - self.backlog_s).sum()))
        return waits_s + each_s


class Crowd:
    """Everybody who comes, until the curve ends; then until nobody waits any more."""

    def __init__(
        self,
        env: simpy.Environment,
        front: Front,
        curve: Curve,
        ends_s: float,
        opens_s: float,
        nodes: list[Node],
        shards: int,
        units: Units,
        rng: np.random.Generator,
        line: Line | None = None,
    ) -> None:
        self._line = line
        self._env, self._front, self._curve = env, front, curve
        self._ends_s, self._opens_s = ends_s, opens_s
        self._nodes, self._shards, self._units, self._rng = nodes, shards, units, rng
        self.edge, self.gateway = Lines(front.edges, rng), Lines(front.gateways, rng)
        self._entry_s: Floats = np.full(front.edges, front.entry_s)
        self._leave_edge: Counter[int] = Counter()
        self._believes_until = np.full(front.gateways, -np.inf)
        self._hears_at = np.full(front.gateways, np.inf)
        self.asked = self.asked_again = 0
        self.heard: Counter[str] = Counter()
        # Those who went on to Redis; and of them to the simulated shards.
        self.whole_way = self.offered = 0
        self.out_of_memory = Latencies()
        self.done = False

    def run(self) -> Process:
        """Tick after tick."""
        number = 0
        began = self._env.now
        while True:
            now = began + number * TICK_S
            if now > self._env.now:
                yield self._env.timeout(now - self._env.now)
            if now < self._ends_s:
                self._come(number, now)
            elif not self._leave_edge and (self._line is None or self._line.is_empty):
                break
            self._buy(now, self._leave_edge.pop(number, 0))
            number += 1
        self.done = True

    def _come(self, number: int, now: float) -> None:
        arrived = int(self._rng.poisson(self._curve(now + TICK_S / 2) * TICK_S))
        self.asked += arrived
        counts = self._dealt(arrived, self._front.edges)
        waits_s = self.edge.tick(now, counts, self._entry_s)
        # Rounded down: who needs less than a tick buys in the same one.
        leave = np.bincount((waits_s / TICK_S).astype(np.int64), counts).astype(np.int64)
        for later in np.flatnonzero(leave).tolist():
            self._leave_edge[number + later] += int(leave[later])

    def _dealt(self, total: int, among: int) -> Ints:
        return self._rng.multinomial(total, np.full(among, 1 / among))

    def _buy(self, now: float, arrived: int) -> None:
        front, line = self._front, self._line
        again = line.due(TICK_S, now) if line else []
        is_called = line is not None and line.called_at_once.any()
        if not (arrived or again or is_called or self.gateway.backlog_s.any()):
            return  # most ticks of a queue's end
        new = self._dealt(arrived, front.gateways)
        back = self._dealt(sum(one.count for one in again), front.gateways)
        self.asked_again += int(back.sum())
        counts = new + back
        is_open = now >= self._opens_s
        self._hear(now)
        local = np.full(front.gateways, not is_open) | (self._believes_until > now)
        each_s: Floats = np.where(local, front.refused_s, front.purchase_s)
        waits_s = self.gateway.tick(now, counts, each_s)
        refused = counts * local
        self.heard["sold_out" if is_open else "not_started"] += int(refused.sum())
        self.out_of_memory.add_many(waits_s[local], refused[local].astype(np.float64))
        whole_way = counts - refused
        if line:
            if whole_way.any():
                self._find_out(now, whole_way, waits_s)
            whole_way = self._through(line, now, new * ~local, again, back * ~local, waits_s)
        self.whole_way += int(whole_way.sum())
        if whole_way.any():
            self._find_out(now, whole_way, waits_s)
            self._offer(now, whole_way, waits_s)

    def _through(
        self, line: Line, now: float, new: Ints, again: list[Cohort], back: Ints, waits_s: Floats
    ) -> Ints:
        """Who comes gets a number, who comes back is let through if he is called."""
        if new.any():
            line.join(now, new, waits_s)
        # Of each cohort some came to workers that have told them that nothing is left.
        left = int(back.sum())
        counts = self._rng.multivariate_hypergeometric([one.count for one in again], left)
        called, rest = line.part(
            [replace(one, count=n) for one, n in zip(again, counts.tolist(), strict=True) if n]
        )
        self.heard["queued"] += left - called
        line.wait(rest, TICK_S)
        through = self._rng.multivariate_hypergeometric(back, called) + line.called_at_once
        line.called_at_once = np.zeros_like(through)
        line.came += int(through.sum())
        return through

    def _hear(self, now: float) -> None:
        heard = self._hears_at <= now
        self._believes_until[heard] = self._hears_at[heard] + BELIEVED_S
        self._hears_at[heard] = np.inf

    def _find_out(self, now: float, whole_way: Ints, waits_s: Floats) -> None:
        """Who asks an empty item hears it an answer later, from whichever shard."""
        if self._units.marked_at > now:
            return
        answer_s = ROUND_TRIP_S + max(node.last_turn_s for node in self._nodes)
        asks = (whole_way > 0) & np.isinf(self._hears_at)
        self._hears_at[asks] = now + waits_s[asks] + answer_s

    def _offer(self, now: float, whole_way: Ints, waits_s: Floats) -> None:
        share = len(self._nodes) / self._shards
        ours = whole_way if share == 1 else self._rng.binomial(whole_way, share)
        for worker in np.flatnonzero(ours).tolist():
            count = int(ours[worker])
            self.offered += count
            clicks = np.sort(self._rng.uniform(now, now + TICK_S, count))
            homes = self._rng.integers(len(self._nodes), size=count)
            wait_s = float(waits_s[worker])
            for click_s, home in zip(clicks.tolist(), homes.tolist(), strict=True):
                self._nodes[home].offer(worker, click_s + wait_s, click_s)
        for node in self._nodes:
            node.nudge()
