"""From samples and answers of one rung to the figures that a verdict needs. Pure."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Sample = Mapping[str, Any]
EXCHANGE = "sluice_gateway_exchange_seconds_bucket"
DELIVERED = "sluice_relay_delivered_total"
DECIDED = ("sluice_reservations_decided_total", "sluice_reservations_repeated_total")
# Processes of the stack that are one stage; others are told when they eat the machine.
STAGE_OF = {
    "gateway": "gateway",
    "redis-stock": "redis",
    "relay": "relay",
    "kafka": "kafka",
    "order-consumer": "order-consumer",
    "postgres": "postgres",
}
_LE = re.compile(r'le="([^"]+)"')


@dataclass(frozen=True)
class Figures:
    """Of one rung. `busy`: cores that each stage used while the load was highest."""

    late_p99_ms: float  # of the load generator, beside its plan
    gateway_p99_ms: float  # answers that reserve nothing
    reserve_p99_ms: float  # click → RESERVED
    exchange_p99_ms: float  # gateway → stock Redis and back
    relay_lag_s: float  # reserved and not yet in Kafka, by what the relay delivers
    consumer_lag_s: float  # in Kafka and not yet decided, by what the consumer decides
    confirm_p99_ms: float  # click → CONFIRMED
    busy: Mapping[str, float]
    machine_busy: float  # share of all cores, of whatever runs here


def busy_cores(samples: Sequence[Sample]) -> dict[str, float]:
    """Cores by stage, and by process where it is none, in the busiest second of each."""
    most: dict[str, float] = {}
    for before, after in zip(samples, samples[2:], strict=False):
        span_s = after["at"] - before["at"]
        used: dict[str, float] = {}
        for name, spent_s in after["cpu"].items():
            stage = _stage(name)
            cores = (spent_s - before["cpu"].get(name, spent_s)) / span_s
            # Several stock nodes: the busiest one is the limit, they do not help each other.
            used[stage] = max(used.get(stage, 0.0), cores)
        for stage, cores in used.items():
            most[stage] = max(most.get(stage, 0.0), cores)
    return {stage: round(cores, 3) for stage, cores in most.items()}


def machine_busy(samples: Sequence[Sample]) -> float:
    """Share of all cores that was not idle in the busiest second."""
    shares = [
        (after["machine"][0] - before["machine"][0]) / (after["machine"][1] - before["machine"][1])
        for before, after in zip(samples, samples[2:], strict=False)
        if after["machine"][1] > before["machine"][1]
    ]
    return round(max(shares, default=0.0), 3)


def exchange_p99_ms(samples: Sequence[Sample]) -> float:
    """The bucket's upper bound below which 99 % of the exchanges ended; 1 s means "or longer"."""
    if not samples:
        return 0.0
    gained: dict[float, float] = {}
    first, last = samples[0]["figures"], samples[-1]["figures"]
    for name, value in last.items():
        if name.startswith(EXCHANGE) and (bound := _LE.search(name)):
            seconds = float(bound[1].replace("+Inf", "inf"))
            gained[seconds] = gained.get(seconds, 0.0) + value - first.get(name, 0.0)
    total = gained.get(float("inf"), 0.0)
    below = [bound for bound, count in sorted(gained.items()) if count >= 0.99 * total]
    largest = max((bound for bound in gained if bound != float("inf")), default=0.0)
    return 1000 * min(below[0], largest) if total else 0.0


def lags_s(samples: Sequence[Sample], reserved_at: Sequence[float]) -> tuple[float, float]:
    """The longest that a reservation was on its way to Kafka, and from there to its order.

    By counting, as at a turnstile: the n-th that was reserved is the n-th that was delivered.
    `reserved_at` is the wall clock's, in order. Half a second is what this can tell.
    """
    delivered = _counted(samples, (DELIVERED,))
    decided = _counted(samples, DECIDED)
    taken = [(at, float(bisect_right(reserved_at, at))) for at, _ in delivered]
    return _longest_wait_s(taken, delivered), _longest_wait_s(delivered, decided)


def _counted(samples: Sequence[Sample], names: Iterable[str]) -> list[tuple[float, float]]:
    """(time, how many since the first sample); a stage that did not answer is left out."""
    names = tuple(names)
    sums = [
        (sample["at"], sum(found))
        for sample in samples
        if (found := [v for name, v in sample["figures"].items() if name.startswith(names)])
    ]
    return [(at, count - sums[0][1]) for at, count in sums]


def _longest_wait_s(
    came: Sequence[tuple[float, float]], went: Sequence[tuple[float, float]]
) -> float:
    """The longest time between a count that was reached here and the same count there."""
    longest, index = 0.0, 0
    for at, count in came:
        while index < len(went) and went[index][1] < count:
            index += 1
        # What never came out waits until the last look, at least.
        out_at = went[index][0] if index < len(went) else (went[-1][0] if went else at)
        longest = max(longest, out_at - at)
    return round(longest, 2)


def _stage(program: str) -> str:
    for name, stage in STAGE_OF.items():
        if program == name or re.fullmatch(rf"{name}-\d+", program):
            return stage
    return program
