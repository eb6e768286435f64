"""What telling the risk scorer costs the gateway: processor time of a worker for each purchase.

    python -m tests.load.bench_events [--rounds 5] [--seconds 3] [--connections 128]

Two gateways of one worker with the same code, the same stock Redis and the same requests; one of
them tells the Kafka of SLUICE_KAFKA_BROKERS. Rounds alternate and the figure is the median of the
differences, so that a slow minute of the machine hits both. Prints, and fails on no time; it fails
when an event was not counted.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.load import bench_reserve
from tests.load.one_worker import OneWorkerGateway
from tests.redis.armed_shard import ArmedShard
from tests.redis.server import StockServer
from workers.stock.keys import Shard

SILENT, TELLING = Shard(item=7, shard=0, epoch=1), Shard(item=9, shard=0, epoch=1)
SENT = 'sluice_gateway_events_total{result="sent"}'
EVENTS = "sluice_gateway_events_total{"


class Side(NamedTuple):
    """One of the two gateways and what it sells."""

    gateway: OneWorkerGateway
    shard: Shard


class Round(NamedTuple):
    """The worker's µs for each purchase, without and with events."""

    silent_us: float
    telling_us: float


def main() -> int:
    """Measure and print; 0 unless events are missing."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        home = Path(folder)
        stock = StockServer(home / "redis")
        silent, telling = (
            Side(OneWorkerGateway(home / name, stock, bench_reserve.NGINX_CORE, kafka), shard)
            for name, shard, kafka in (
                # The stack's brokers are in this process's environment too.
                ("silent", SILENT, {"SLUICE_KAFKA_BROKERS": ""}),
                ("telling", TELLING, {"SLUICE_KAFKA_BROKERS": os.environ["SLUICE_KAFKA_BROKERS"]}),
            )
        )
        try:
            stock.start()
            stock.own_all_slots()
            for side in (silent, telling):
                side.gateway.start(bench_reserve.document(_armed(stock, side.shard)))
            rounds = []
            for number in range(arguments.rounds + 1):
                rounds.append(_round(home, silent, telling, arguments, number))
            told = telling.gateway.counters()
        finally:
            silent.gateway.stop()
            telling.gateway.stop()
            stock.stop()
    return _report(rounds[1:], told)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench_events")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=128)
    return parser.parse_args()


def _armed(stock: StockServer, shard: Shard) -> ArmedShard:
    armed = ArmedShard(stock, shard, limit=1)
    armed.arm()
    armed.grant(bench_reserve.UNITS)
    return armed


def _round(
    home: Path, silent: Side, telling: Side, arguments: argparse.Namespace, number: int
) -> Round:
    sides = (silent, telling) if number % 2 else (telling, silent)
    costs = {side.shard: _cost(home, side, arguments, number) for side in sides}
    done = Round(costs[SILENT], costs[TELLING])
    print(
        f"round {number or '(warm-up)'}: worker µs a purchase "
        f"{done.silent_us:.2f} without, {done.telling_us:.2f} with events"
    )
    return done


def _cost(home: Path, side: Side, arguments: argparse.Namespace, number: int) -> float:
    requests = home / "requests"
    length = bench_reserve.prepare(requests, side.shard, arguments, number)
    rate, _ = bench_reserve.counted(side.gateway, requests, length, arguments)
    return rate.each_us


def _report(rounds: list[Round], told: dict[str, float]) -> int:
    differences = [one.telling_us - one.silent_us for one in rounds]
    without = statistics.median(one.silent_us for one in rounds)
    print(
        f"\nmedian of {len(rounds)} rounds: {without:.2f} µs a purchase without, "
        f"{statistics.median(differences):+.2f} µs with events "
        f"(range {min(differences):+.2f} to {max(differences):+.2f})"
    )
    buys = sum(value for name, value in told.items() if name.startswith(bench_reserve.BUYS))
    events = sum(value for name, value in told.items() if name.startswith(EVENTS))
    print(f"events {events:,.0f} of {buys:,.0f} purchases, {told.get(SENT, 0):,.0f} taken by Kafka")
    return 0 if events == buys else 1


if __name__ == "__main__":
    sys.exit(main())
