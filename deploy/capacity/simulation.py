"""A whole sale, simulated with simpy: edge → gateway → Redis → relay → Kafka → order.

One shard in S is simulated with every gateway worker in front of it: shards share nothing, so the
others look the same (a test compares a slice with the whole). Its winners count S times behind it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import simpy

from deploy.capacity.arrivals import Curve
from deploy.capacity.crowd import TICK_S, Crowd, Front
from deploy.capacity.landing import Costs, Landing
from deploy.capacity.line import Line
from deploy.capacity.queueing import BatchServer
from deploy.capacity.seen import Latencies, Work
from deploy.capacity.stock import Heard, Node, Units

# What nobody waits for any more is over; a line that has not ended by then never does.
LOOK_S = 0.05
GIVES_UP_S = 900.0


@dataclass(frozen=True)
class Setup:
    """What is simulated. `simulated`: how many of the shards; the front is whole always."""

    curve: Curve
    begins_s: float
    opens_s: float
    ends_s: float
    units: int
    shards: int
    simulated: int
    front: Front
    node: BatchServer
    costs: Costs
    relays: int
    consumers: int
    seed: int
    # Seconds of the counters' node for a number in a call; without one there is no queue.
    number_s: float | None = None


@dataclass(frozen=True)
class Seen:
    """One stage: how much of it was used in the busiest tenth of a second, and what it took."""

    name: str
    busiest: float
    times: Latencies


@dataclass(frozen=True)
class Outcome:
    """What came of it. Counts of the simulated shards are multiplied by `scale` where told."""

    asked: int
    heard: dict[str, int]
    on_the_way: int
    units: int
    reserved: int
    confirmed: int
    sold_out_at_s: float | None
    told_at_s: float | None
    confirmed_at_s: float | None
    stages: list[Seen]
    answers: Latencies
    clicks: Latencies
    batch: float
    node_busy: float
    bottleneck: str
    holds_up_orders: str


def run(setup: Setup) -> Outcome:
    """Simulate it to the end. The same setup gives the same outcome."""
    scale = setup.shards // setup.simulated
    rng = np.random.default_rng(setup.seed)
    env = simpy.Environment(initial_time=setup.begins_s)
    each, more = divmod(setup.units // scale, setup.simulated)
    units = Units([each + (shard < more) for shard in range(setup.simulated)])
    given = scale * sum(units.free)
    landing = Landing(env, setup.costs, setup.relays, setup.consumers, scale, rng)
    heard, work = Heard(), Work(setup.simulated * setup.node.most_per_s(setup.front.gateways))
    nodes = [
        Node(env, shard, setup.node, units, setup.front.gateways, heard, work, landing.reserved)
        for shard in range(setup.simulated)
    ]
    line = None
    if setup.number_s is not None:
        line = Line(
            env,
            setup.node,
            setup.number_s,
            setup.front.gateways,
            units,
            scale,
            lambda: scale * (heard.counts["reserved"] - landing.confirmed),
            rng,
        )
    front, curve, ends_s, opens_s = setup.front, setup.curve, setup.ends_s, setup.opens_s
    crowd = Crowd(env, front, curve, ends_s, opens_s, nodes, setup.shards, units, rng, line)
    # The crowd first: what it offers in a tick is there when a node looks in it.
    env.process(crowd.run())
    for node in nodes:
        env.process(node.run())
    env.process(units.agent(env))
    if line:
        env.process(line.hand_out(TICK_S))
        env.process(line.control())

    def is_over() -> bool:
        answered = sum(heard.counts.values()) == crowd.offered
        return crowd.done and answered and landing.confirmed == heard.counts["reserved"]

    _until(env, is_over, setup.ends_s + GIVES_UP_S)
    return _outcome(setup, scale, given, units, crowd, nodes, heard, work, landing, line)


def _until(env: simpy.Environment, is_over: Callable[[], bool], limit_s: float) -> None:
    while not is_over() and env.now < limit_s:
        env.run(until=env.now + LOOK_S)


def _outcome(
    setup: Setup,
    scale: int,
    given: int,
    units: Units,
    crowd: Crowd,
    nodes: list[Node],
    heard: Heard,
    work: Work,
    landing: Landing,
    line: Line | None,
) -> Outcome:
    in_front = [
        Seen("edge", crowd.edge.work.busiest, crowd.edge.waits),
        Seen("gateway", crowd.gateway.work.busiest, crowd.gateway.waits),
        Seen("redis", work.busiest, heard.redis),
        *([Seen("queue", line.work.busiest, line.times)] if line else []),
    ]
    behind = [
        Seen("relay, Kafka", landing.relay_work.busiest, landing.relayed),
        Seen("orders", landing.landing_work.busiest, landing.landed),
    ]
    reserved = heard.counts["reserved"]
    calls = sum(node.calls for node in nodes)
    return Outcome(
        asked=crowd.asked + crowd.asked_again,
        heard=_answers(crowd, heard, scale, line),
        on_the_way=crowd.offered - sum(heard.counts.values()),
        units=given,
        reserved=scale * reserved,
        confirmed=scale * landing.confirmed,
        sold_out_at_s=_time(units.ran_out_at),
        told_at_s=_time(units.marked_at),
        confirmed_at_s=landing.last_confirmed_s if landing.confirmed == reserved else None,
        stages=[*in_front, *behind],
        answers=heard.answers,
        clicks=landing.clicks,
        batch=sum(node.batched for node in nodes) / max(calls, 1),
        node_busy=sum(node.busy_s for node in nodes) / len(nodes),
        bottleneck=max(in_front, key=lambda one: one.busiest).name,
        # Both work through a heap at full speed: it lies where people wait.
        holds_up_orders=max(behind, key=lambda one: one.times.mean_s).name,
    )


def _answers(crowd: Crowd, heard: Heard, scale: int, line: Line | None) -> dict[str, int]:
    """Each request once. What the other shards answered is told in the proportion of these."""
    answers = dict(crowd.heard)
    if line:
        answers["queued"] = answers.get("queued", 0) + line.queued
        answers["sold_out"] = answers.get("sold_out", 0) + line.told_sold_out
    answered = sum(heard.counts.values())
    elsewhere = crowd.whole_way - crowd.offered
    told = scale * heard.counts["reserved"] if elsewhere else heard.counts["reserved"]
    reserved = min(told, crowd.whole_way)
    rest = crowd.whole_way - reserved - (crowd.offered - answered)
    refused = heard.counts["sold_out"] + heard.counts["busy"]
    sold_out = round(rest * heard.counts["sold_out"] / refused) if refused else 0
    answers["reserved"] = answers.get("reserved", 0) + reserved
    answers["sold_out"] = answers.get("sold_out", 0) + sold_out
    answers["busy"] = rest - sold_out
    return answers


def _time(at_s: float) -> float | None:
    return None if at_s == float("inf") else at_s
