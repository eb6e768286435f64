"""Stock Redis in the simulation: units, lanes of the gateways' workers, turns of the event loop."""

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import simpy

from deploy.capacity.queueing import BatchServer
from deploy.capacity.seen import Latencies, Work

Process = Generator[simpy.Event, Any, None]
# openresty/gateway: SLUICE_RESERVE_TIMEOUT_MS, SLUICE_QUEUE_MAX; workers/stock_agent.py: ROUND_S
# (a test compares).
RESERVE_TIMEOUT_S = 1.0
QUEUE_MAX = 10_000
AGENT_ROUND_S = 0.2
# Between a gateway and a stock node, there and back: one zone.
ROUND_TRIP_S = 0.0002
_NEVER = float("inf")


@dataclass
class Units:
    """What the simulated shards have; `marked`: the agent has looked and nothing is left."""

    free: list[int]
    marked_at: float = _NEVER
    ran_out_at: float = _NEVER

    def take(self, shard: int, wanted: int, now: float) -> int:
        """As many as there are; never below zero."""
        taken = min(wanted, self.free[shard])
        self.free[shard] -= taken
        if taken and not any(self.free):
            self.ran_out_at = now
        return taken

    def agent(self, env: simpy.Environment) -> Process:
        """Every round: mark an empty item, bring units to who has none."""
        while self.marked_at == _NEVER:
            yield env.timeout(AGENT_ROUND_S)
            left = sum(self.free)
            if not left:
                self.marked_at = env.now
            elif not all(self.free):
                each, more = divmod(left, len(self.free))
                self.free = [each + (shard < more) for shard in range(len(self.free))]


@dataclass
class Lane:
    """Of one worker to one node: who waits, by the time at which he came and that of his click."""

    waiting: deque[tuple[float, float]] = field(default_factory=deque)
    free_at: float = -_NEVER


@dataclass
class Heard:
    """What the requests of the simulated shards heard, and when."""

    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("reserved", "sold_out", "busy"), 0)
    )
    answers: Latencies = field(default_factory=Latencies)
    redis: Latencies = field(default_factory=Latencies)


class Node:
    """One master with one shard, as openresty/gateway/batch.lua feeds it.

    A worker has one call under way; it is sealed when the last one was answered and somebody waits,
    with at most `batch_max` of those who wait then. A turn serves the calls that have arrived when
    it begins; their answers leave together, behind the fsync.
    """

    def __init__(
        self,
        env: simpy.Environment,
        shard: int,
        server: BatchServer,
        units: Units,
        workers: int,
        heard: Heard,
        work: Work,
        reserved: Callable[[list[float]], None],
    ) -> None:
        self._env, self._shard, self._server, self._units = env, shard, server, units
        self._lanes = [Lane() for _ in range(workers)]
        self._active: set[int] = set()
        self._heard, self._work, self._reserved = heard, work, reserved
        self._wake = env.event()
        self.calls = self.batched = 0
        self.busy_s = 0.0
        self.last_turn_s = server.turn_s(1, 1)

    @property
    def waiting(self) -> int:
        """Requests that have come and were not taken yet."""
        return sum(len(lane.waiting) for lane in self._lanes)

    def offer(self, worker: int, at_s: float, click_s: float) -> None:
        """A request comes to the lane of this worker at this time, now or later."""
        waiting = self._lanes[worker].waiting
        if len(waiting) >= QUEUE_MAX:
            self._answer("busy", at_s, at_s, click_s)
            return
        # A worker hands over in order.
        waiting.append((max(at_s, waiting[-1][0]) if waiting else at_s, click_s))
        self._active.add(worker)

    def nudge(self) -> None:
        """Tell it that something was offered."""
        if not self._wake.triggered:
            self._wake.succeed()

    def run(self) -> Process:
        """Turn after turn."""
        while True:
            calls, next_s = self._arrived()
            if not calls:
                self._wake = self._env.event()
                sooner = [self._env.timeout(next_s - self._env.now)] if next_s < _NEVER else []
                yield self._env.any_of([self._wake, *sooner])
                continue
            requests = sum(len(call) for _, call in calls)
            turn_s = self._server.turn_s(len(calls), requests)
            begins = self._env.now
            yield self._env.timeout(turn_s)
            self._work.note(begins, self._env.now, requests)
            self.last_turn_s = turn_s
            self.busy_s += self._server.busy_s(len(calls), requests)
            self.calls += len(calls)
            self.batched += requests
            for worker, call in calls:
                self._decide(call)
                self._lanes[worker].free_at = self._env.now + ROUND_TRIP_S / 2

    def _arrived(self) -> tuple[list[tuple[int, list[tuple[float, float]]]], float]:
        """The calls that are here, and when the next one will be if nobody else comes."""
        calls, next_s, now = [], _NEVER, self._env.now
        for worker in sorted(self._active):
            lane = self._lanes[worker]
            sealed_s = max(lane.free_at, lane.waiting[0][0])
            if sealed_s + ROUND_TRIP_S / 2 > now:
                next_s = min(next_s, sealed_s + ROUND_TRIP_S / 2)
                continue
            call = self._sealed(lane.waiting, sealed_s)
            if call:
                calls.append((worker, call))
            if not lane.waiting:
                self._active.discard(worker)
            elif not call:
                next_s = now
        return calls, next_s

    def _sealed(
        self, waiting: deque[tuple[float, float]], sealed_s: float
    ) -> list[tuple[float, float]]:
        call: list[tuple[float, float]] = []
        while waiting and waiting[0][0] <= sealed_s and len(call) < self._server.batch_max:
            at_s, click_s = waiting.popleft()
            if sealed_s - at_s > RESERVE_TIMEOUT_S:
                self._answer("busy", at_s + RESERVE_TIMEOUT_S, at_s, click_s)
            else:
                call.append((at_s, click_s))
        return call

    def _decide(self, call: list[tuple[float, float]]) -> None:
        answered = self._env.now + ROUND_TRIP_S / 2
        won = self._units.take(self._shard, len(call), self._env.now)
        refusal = "sold_out" if self._units.marked_at <= self._env.now else "busy"
        for place, (at_s, click_s) in enumerate(call):
            self._answer("reserved" if place < won else refusal, answered, at_s, click_s)
        if won:
            self._reserved([click_s for _, click_s in call[:won]])

    def _answer(self, outcome: str, answered_s: float, at_s: float, click_s: float) -> None:
        self._heard.counts[outcome] += 1
        self._heard.redis.add(answered_s - at_s)
        self._heard.answers.add(answered_s - click_s)
