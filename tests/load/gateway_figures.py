"""The figures of `make bench ONLY=gateway`: P1 and P2 beside hello."""

import statistics
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.load import bench_report


class Rate(NamedTuple):
    """Answers a second; and the worker's processor time for each, which depends less on others."""

    per_s: float
    each_us: float
    accepted: int = 0
    refused: int = 0


@dataclass(frozen=True)
class Round:
    """One round: answers a second of each side, and how the reservations came about."""

    hello: Rate
    reserved: Rate
    queued: Rate
    sold_out: Rate
    batch: float

    @property
    def refused(self) -> int:
        """Of the sides that were to sell."""
        return self.reserved.refused + self.queued.refused


def report(rounds: list[Round], connections: int, landed: dict[str, int]) -> None:
    """Print the medians and leave P1 and P2 in `var/bench/report.json`.

    `landed`: side → winners in Redis, of these rounds.
    """
    hello = statistics.median(one.hello.per_s for one in rounds)
    batch = statistics.median(one.batch for one in rounds)
    print(
        f"\none gateway worker, {connections} connections, "
        f"median of {len(rounds)} rounds\n"
        f"  hello from Lua        {hello:>9,.0f} /s   (the limit)"
    )
    p1 = _measure(rounds, "reserved, fsync each", [one.reserved for one in rounds], 0.50)
    queued = _measure(rounds, "… behind a queue", [one.queued for one in rounds], 0.50)
    p2 = _measure(rounds, "refused, sold out", [one.sold_out for one in rounds], 0.90)
    print(f"  requests a batch      {batch:>9.1f}")
    p1 |= {"batch": round(batch, 1), "landed": landed["reserved"]}
    queued |= {"landed": landed["queued"]}
    bench_report.record({"P1": p1, "P1 behind a queue": queued, "P2": p2 | {"landed": 0}})


def _measure(rounds: list[Round], name: str, seen: list[Rate], target: float) -> dict[str, Any]:
    """One product beside hello; `seen` has one of each round."""
    pairs = [(rate, beside.hello) for rate, beside in zip(seen, rounds, strict=True)]
    ratios = [rate.per_s / hello.per_s for rate, hello in pairs]
    core = statistics.median(hello.each_us / rate.each_us for rate, hello in pairs)
    ratio, product = statistics.median(ratios), statistics.median(rate.per_s for rate in seen)
    each_us = statistics.median(rate.each_us for rate in seen)
    print(
        f"  {name:<21} {product:>9,.0f} /s   {ratio:.2f} of hello "
        f"(range {min(ratios):.2f} to {max(ratios):.2f}; target {target:.2f}); "
        f"{core:.2f} by the worker's processor time, {each_us:.1f} µs"
    )
    return {
        "value": round(ratio, 3),
        "unit": "ratio",
        "target": target,
        "met": ratio >= target,
        "product": round(product),
        "limit": round(statistics.median(hello.per_s for _, hello in pairs)),
        "rounds": [round(one, 3) for one in ratios],
        "spread": round(max(ratios) - min(ratios), 3),
        "by_processor_time": round(core, 3),
        "accepted": sum(rate.accepted for rate in seen),
        "refused": sum(rate.refused for rate in seen),
    }
