"""The same chain up to the answer, every request a process of its own, nothing merged or sliced.

Slow and literal, after openresty/gateway/batch.lua and sold_out.lua: what deploy/capacity's arrays
and slices are compared with.
"""

import random
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import simpy

from deploy.capacity.crowd import BELIEVED_S
from deploy.capacity.queueing import BatchServer
from deploy.capacity.stock import AGENT_ROUND_S, ROUND_TRIP_S

Process = Generator[simpy.Event, Any, None]


@dataclass
class Request:
    came: float
    done: simpy.Event
    lane_at: float = 0.0
    verdict: str = ""


@dataclass
class Call:
    requests: list[Request]
    done: simpy.Event


@dataclass
class Seen:
    heard: dict[str, int] = field(default_factory=dict)
    redis_s: list[float] = field(default_factory=list)
    answer_s: list[float] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    busy_s: float = 0.0


class Sale:
    """Gateways of one thread, shards, and an agent that marks an empty item."""

    def __init__(
        self,
        node: BatchServer,
        gateways: int,
        shards: int,
        units: int,
        purchase_s: float,
        seed: int,
    ) -> None:
        self.env, self.rng, self.seen = simpy.Environment(), random.Random(seed), Seen()
        self.node, self.gateways, self.shards = node, gateways, shards
        self.purchase_s = purchase_s
        self.free = [units // shards] * shards
        self.marked = False
        self.believes = [-1.0] * gateways
        self.threads = [simpy.Resource(self.env, 1) for _ in range(gateways)]
        self.lanes: dict[tuple[int, int], list[Request]] = {}
        self.pumping: set[tuple[int, int]] = set()
        self.inbox: list[list[Call]] = [[] for _ in range(shards)]
        self.bells = [self.env.event() for _ in range(shards)]

    def run(self, per_s: float, seconds: float) -> Seen:
        for shard in range(self.shards):
            self.env.process(self._shard(shard))
        self.env.process(self._agent())
        self.env.process(self._crowd(per_s, seconds))
        self.env.run(until=seconds + 2)
        return self.seen

    def _crowd(self, per_s: float, seconds: float) -> Process:
        while self.env.now < seconds:
            yield self.env.timeout(self.rng.expovariate(per_s))
            self.env.process(self._request())

    def _request(self) -> Process:
        worker = self.rng.randrange(self.gateways)
        request = Request(self.env.now, self.env.event())
        if self.believes[worker] > self.env.now:
            self._hear("sold_out", request)
            return
        with self.threads[worker].request() as thread:
            yield thread
            yield self.env.timeout(self.purchase_s)
        home = (worker, self.rng.randrange(self.shards))
        request.lane_at = self.env.now
        self.lanes.setdefault(home, []).append(request)
        if home not in self.pumping:
            self.pumping.add(home)
            self.env.process(self._pump(home))
        yield request.done
        if request.verdict == "sold_out":
            self.believes[worker] = self.env.now + BELIEVED_S
        self.seen.redis_s.append(self.env.now - request.lane_at)
        self._hear(request.verdict, request)

    def _hear(self, verdict: str, request: Request) -> None:
        self.seen.heard[verdict] = self.seen.heard.get(verdict, 0) + 1
        self.seen.answer_s.append(self.env.now - request.came)

    def _pump(self, home: tuple[int, int]) -> Process:
        while waiting := self.lanes[home]:
            call = Call(waiting[: self.node.batch_max], self.env.event())
            self.lanes[home] = waiting[self.node.batch_max :]
            yield self.env.timeout(ROUND_TRIP_S / 2)
            self.inbox[home[1]].append(call)
            if not self.bells[home[1]].triggered:
                self.bells[home[1]].succeed()
            yield call.done
            yield self.env.timeout(ROUND_TRIP_S / 2)
            for request in call.requests:
                request.done.succeed()
        self.pumping.discard(home)

    def _shard(self, shard: int) -> Process:
        while True:
            if not self.inbox[shard]:
                self.bells[shard] = self.env.event()
                yield self.bells[shard]
            calls, self.inbox[shard] = self.inbox[shard], []
            count = sum(len(call.requests) for call in calls)
            yield self.env.timeout(self.node.turn_s(len(calls), count))
            self.seen.busy_s += self.node.busy_s(len(calls), count)
            for call in calls:
                self.seen.batches.append(len(call.requests))
                for request in call.requests:
                    won = self.free[shard] > 0
                    self.free[shard] -= won
                    request.verdict = "reserved" if won else "sold_out" if self.marked else "busy"
                call.done.succeed()

    def _agent(self) -> Process:
        while not self.marked:
            yield self.env.timeout(AGENT_ROUND_S)
            self.marked = not any(self.free)
