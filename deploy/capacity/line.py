"""The queue in the simulation: numbers from one node, a window that moves, people who ask again.

Everybody who waits is in a cohort: a range of numbers, and how many of their holders are left.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import simpy

from deploy.capacity.queueing import BatchServer
from deploy.capacity.seen import Floats, Latencies, Work
from deploy.capacity.stock import ROUND_TRIP_S, Units

Process = Generator[simpy.Event, Any, None]
Ints = npt.NDArray[np.int64]
# How many places may be called for each unit (DESIGN §6: 3 to 5); workers/queue_controller.py:
# TICK_S, queue/window.py; openresty/gateway/queue/queued.lua (a test compares).
CALLED_A_UNIT, HEADROOM_PART = 4, 4
CONTROLLER_TICK_S = 0.2
RETRY_LEAST_S, RETRY_MOST_S = 0.3, 30.0
RATE_FIRST, RATE_MIN, RATE_MAX, STEP_PER_S = 2000.0, 50.0, 100_000.0, 2000.0
LAG_MAX, HALVE_EVERY_S, SAVED_S = 5000, 1.0, 0.4


class Pace:
    """Places a second that may be called, as workers/queue/pace.py finds them (a test compares).

    A copy, because importing anything of `workers` sets Django up.
    """

    def __init__(self, now: float) -> None:
        self.rate_per_s = RATE_FIRST
        self._at, self._halved_at = now, -math.inf
        self._saved = self.rate_per_s * SAVED_S

    def budget(self, now: float, lag: int) -> int:
        """How many now; tell with `use` how many were."""
        elapsed_s, self._at = now - self._at, now
        if lag <= LAG_MAX:
            self.rate_per_s = min(self.rate_per_s + STEP_PER_S * min(elapsed_s, 1.0), RATE_MAX)
        elif now - self._halved_at >= HALVE_EVERY_S:
            self.rate_per_s, self._halved_at = max(self.rate_per_s / 2, RATE_MIN), now
        most = self.rate_per_s * SAVED_S
        self._saved = min(self._saved + self.rate_per_s * elapsed_s, most)
        return int(self._saved)

    def use(self, places: int) -> None:
        """They were called."""
        self._saved -= places


@dataclass(frozen=True)
class Cohort:
    """`count` holders of numbers from `first` to before `beyond`, evenly spread."""

    first: int
    beyond: int
    count: int


class Line:
    """One item's queue, with one bucket."""

    def __init__(
        self,
        env: simpy.Environment,
        server: BatchServer,
        number_s: float,
        workers: int,
        units: Units,
        scale: int,
        lag: Callable[[], int],
        rng: np.random.Generator,
    ) -> None:
        self._env, self._units, self._scale, self._lag, self._rng = env, units, scale, lag, rng
        self._server = replace(server, request_s=number_s)
        self._waiting: Ints = np.zeros(workers, np.int64)
        self._came_s: Floats = np.zeros(workers)
        self._free_at: Floats = np.full(workers, -np.inf)
        self._wake = env.event()
        self._pace = Pace(env.now)
        self._due: defaultdict[int, list[Cohort]] = defaultdict(list)
        self._asked_tick = math.floor(env.now)
        self.issued = self.served_until = self.came = 0
        # Who was called in the very call in which he got his number, by worker; for the crowd.
        self.called_at_once: Ints = np.zeros(workers, np.int64)
        self.queued = self.told_sold_out = 0
        self.times, self.work = Latencies(), Work(self._server.most_per_s(workers))

    @property
    def is_empty(self) -> bool:
        """Nobody waits for a number, and nobody is to ask again."""
        return not self._due and not self._waiting.any() and not self.called_at_once.any()

    def join(self, now: float, counts: Ints, waits_s: Floats) -> None:
        """They want a number; each worker has one call under way."""
        self._waiting += counts
        self._came_s += counts * (now + waits_s)
        if not self._wake.triggered:
            self._wake.succeed()

    def due(self, tick_s: float, now: float) -> list[Cohort]:
        """Who asks again by now; asked each tick."""
        first, self._asked_tick = self._asked_tick, math.floor(now / tick_s)
        if not self._due:
            return []
        ticks = range(min(first, self._asked_tick), self._asked_tick)
        return [one for tick in ticks for one in self._due.pop(tick, ())]

    def part(self, cohorts: list[Cohort]) -> tuple[int, list[Cohort]]:
        """How many of them are called by now, and the cohorts of those who are not."""
        called, rest = 0, []
        for one in cohorts:
            beyond = min(max(self.served_until, one.first), one.beyond)
            share = (beyond - one.first) / (one.beyond - one.first)
            ours = one.count if share == 1 else int(self._rng.binomial(one.count, share))
            called += ours
            if one.count > ours:
                rest.append(Cohort(beyond, one.beyond, one.count - ours))
        return called, rest

    def wait(self, cohorts: list[Cohort], tick_s: float) -> None:
        """They are told to ask again, after half of what their wait will be about."""
        for one in cohorts:
            ahead_s = (one.first - self.served_until) / self._pace.rate_per_s
            half_s = min(max(ahead_s / 2, RETRY_LEAST_S), RETRY_MOST_S)
            # A cohort stays together, and each of them comes at its own time.
            later_s = half_s * self._rng.uniform(0.75, 1.25)
            self._due[math.floor((self._env.now + later_s) / tick_s)].append(one)

    def hand_out(self, tick_s: float) -> Process:
        """Turn after turn of the node that has the counters."""
        while True:
            sends = (self._waiting > 0) & (self._free_at <= self._env.now)
            if not sends.any():
                if self._waiting.any():
                    yield self._env.timeout(ROUND_TRIP_S)
                else:
                    self._wake = self._env.event()
                    yield self._wake
                continue
            taken = np.where(sends, np.minimum(self._waiting, self._server.batch_max), 0)
            # Of those who wait at one worker each is as old as all of them are in the mean.
            came_s = self._came_s / np.maximum(self._waiting, 1)
            self._waiting = self._waiting - taken
            self._came_s = self._came_s - taken * came_s
            begins, total = self._env.now, int(taken.sum())
            yield self._env.timeout(self._server.turn_s(int(sends.sum()), total))
            now = self._env.now
            self.work.note(begins, now, total)
            waited_s: Floats = now + ROUND_TRIP_S - came_s
            self.times.add_many(waited_s[sends], taken[sends].astype(np.float64))
            self._free_at[sends] = now + ROUND_TRIP_S
            self._told(taken, total, tick_s)

    def _told(self, taken: Ints, total: int, tick_s: float) -> None:
        if self._units.marked_at <= self._env.now:
            self.told_sold_out += total
            return
        first, self.issued = self.issued, self.issued + total
        called = min(max(self.served_until - first, 0), total)
        if called:
            # Whose numbers come first is chance: each worker has its share of the called ones.
            self.called_at_once += self._rng.multivariate_hypergeometric(taken, called)
        if called < total:
            self.queued += total - called
            self.wait([Cohort(first + called, self.issued, total - called)], tick_s)

    def control(self) -> Process:
        """Every tick: as many more as units and pipeline allow (workers/queue/window.py)."""
        while self._units.marked_at > self._env.now:
            yield self._env.timeout(CONTROLLER_TICK_S)
            now = self._env.now
            budget = self._pace.budget(now, self._lag())
            most = CALLED_A_UNIT * self._scale * sum(self._units.free)
            outstanding = self.served_until - self.came
            ahead = min(most // HEADROOM_PART, int(self._pace.rate_per_s))
            wanted = self.issued + ahead - self.served_until
            call = max(min(budget, most - outstanding, wanted), 0)
            self._pace.use(call)
            self.served_until += call
