"""`make bench ONLY=gateway`: one gateway worker selling, and sold out, beside its limit.

    python -m tests.load.bench_reserve [--rounds 5] [--seconds 3] [--connections 128]

The limit is the same nginx worker printing "hello" from Lua, asked by the same client with the same
requests. The product is the whole purchase ending in `reserved`: real signed tokens, each used
once, limits and risk rules on, events to Kafka where the stack has one, no queue, a stock Redis
with `appendfsync always`. Rounds alternate, so that a slow minute of the machine hits both; medians
and the range are printed and left in `var/bench/report.json`, and nothing fails on a time. Only
what the gateway counted as `reserved` is a sale, and all of them must be winners in Redis (P1).

A second item is sold out, and its mark is kept as fresh as the stock agent keeps it: the refusals a
second of the same requests are P2.

Needs wrk. One core is nginx's, the other is shared by wrk and Redis.
"""

import argparse
import base64
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

from tests.load import bench_report, purchases
from tests.load.one_worker import OneWorkerGateway, pinned
from tests.redis.armed_shard import ArmedShard
from tests.redis.server import StockServer
from tests.redis.waiting import until
from workers.stock.keys import Shard

REPLAY = Path(__file__).with_name("replay.lua")
SHARD = Shard(item=7, shard=0, epoch=1)
SOLD_OUT_SHARD = Shard(item=8, shard=0, epoch=1)
# As often as the agent looks at a shard.
MARK_EVERY_S = 0.2
UNITS = 2_000_000_000  # never the limit
KID, SECRET = "bench", b"b" * 32
PATH_KEY = "p" * 22
NGINX_CORE, CLIENT_CORE = "0", "1"
# More than any worker here can serve in one round.
REQUESTS_PER_S = 60_000
# Rules that meet nobody here, so that each is looked at.
_RULE = {"item": None, "mode": "enforce", "action": "deny", "until_ms": None}
RULES = [
    _RULE | {"id": 1, "kind": "cidr", "cidr": "203.0.113.0/24"},
    _RULE | {"id": 2, "kind": "device", "value": "device-of-a-robot"},
    _RULE | {"id": 3, "kind": "user_agent", "value": "robot"},
    _RULE | {"id": 4, "kind": "score", "min_score": 90, "action": "challenge"},
]
BUYS = "sluice_gateway_buys_total"
RESERVED = f'{BUYS}{{outcome="reserved"}}'
SOLD_OUT = f'{BUYS}{{outcome="sold_out"}}'


@dataclass(frozen=True)
class Round:
    """One round: answers a second of each side, and how the reservations came about."""

    hello_per_s: float
    reserved_per_s: float
    sold_out_per_s: float
    # Processor time of the worker for each answer: what a busy machine disturbs least.
    hello_us: float
    reserved_us: float
    sold_out_us: float
    refused: float
    batch: float


def main() -> int:
    """Measure, print, write the report; 0 unless a sale was counted that is none."""
    arguments = _arguments()
    if not shutil.which("wrk"):
        print("bench: wrk is missing (Debian package wrk)", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        home = Path(folder)
        stock = StockServer(home / "redis")
        gateway = OneWorkerGateway(home / "gateway", stock, NGINX_CORE)
        try:
            stock.start()
            stock.own_all_slots()
            shard = ArmedShard(stock, SHARD, limit=1)
            shard.arm()
            shard.grant(UNITS)
            empty = ArmedShard(stock, SOLD_OUT_SHARD, limit=1)
            empty.arm()
            gateway.start(document(shard, empty))
            with _kept_marked(empty):
                # The first touches memory and compiles traces; it is not counted.
                rounds = [
                    _round(home, gateway, arguments, number)
                    for number in range(arguments.rounds + 1)
                ][1:]
            sales = gateway.counters()[RESERVED]
            winners = shard.books().winners
        finally:
            gateway.stop()
            stock.stop()
    _report(rounds, arguments)
    if winners < sales:
        print(f"{sales:.0f} counted as reserved, but Redis has {winners} winners", file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench_reserve")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=128)
    return parser.parse_args()


@contextmanager
def _kept_marked(empty: ArmedShard) -> Iterator[None]:
    """Its sold-out mark is renewed as long as the block lasts."""
    end = Event()

    def mark() -> None:
        while not end.wait(MARK_EVERY_S):
            empty.mark_sold_out()

    empty.mark_sold_out()
    marker = Thread(target=mark)
    marker.start()
    try:
        yield
    finally:
        end.set()
        marker.join()


def _round(
    home: Path, gateway: OneWorkerGateway, arguments: argparse.Namespace, number: int
) -> Round:
    requests, late = home / "requests", home / "late"
    length = prepare(requests, SHARD, arguments, number)
    hello, hello_us = _wrk(gateway, gateway.hello_port, requests, length, arguments)
    sold_per_s, sold_us, sold = counted(gateway, requests, length, arguments)
    length = prepare(late, SOLD_OUT_SHARD, arguments, number)
    refused_per_s, refused_us, refused = counted(gateway, late, length, arguments)
    buys, refusals = _buys(sold), _buys(refused)
    done = Round(
        hello_per_s=hello,
        reserved_per_s=sold_per_s * sold[RESERVED] / buys,
        sold_out_per_s=refused_per_s * refused[SOLD_OUT] / refusals,
        hello_us=hello_us,
        reserved_us=sold_us,
        sold_out_us=refused_us,
        refused=buys - sold[RESERVED],
        batch=sold["sluice_gateway_batched_requests_total"] / sold["sluice_gateway_batches_total"],
    )
    print(
        f"round {number or '(warm-up)'}: hello {done.hello_per_s:,.0f}/s"
        f"   reserved {done.reserved_per_s:,.0f}/s, {done.reserved_per_s / hello:.2f}"
        f"   sold out {done.sold_out_per_s:,.0f}/s, {done.sold_out_per_s / hello:.2f}"
        f"   batch {done.batch:.1f}   refused {done.refused:.0f}"
        f"   worker µs {hello_us:.1f} {sold_us:.1f} {refused_us:.1f}"
    )
    return done


def prepare(path: Path, shard: Shard, arguments: argparse.Namespace, number: int) -> int:
    count = REQUESTS_PER_S * arguments.seconds
    return purchases.write(
        path,
        f"/v1/items/{shard.item}/{PATH_KEY}/buy",
        item=shard.item,
        kid=KID,
        secret=SECRET,
        first=number * count,
        count=count,
    )


def counted(
    gateway: OneWorkerGateway, requests: Path, length: int, arguments: argparse.Namespace
) -> tuple[float, float, dict[str, float]]:
    """Answers a second, the worker's µs for each, and what each counter gained."""
    before = gateway.counters()
    answered, each_us = _wrk(gateway, gateway.port, requests, length, arguments)
    after = _settled(gateway)
    return answered, each_us, {name: value - before.get(name, 0) for name, value in after.items()}


def _buys(gained: dict[str, float]) -> float:
    return sum(value for name, value in gained.items() if name.startswith(BUYS))


def _settled(gateway: OneWorkerGateway) -> dict[str, float]:
    """The counters once the worker has flushed the last ones, which it does every second."""
    time.sleep(1.2)
    return until(gateway.counters, "counters")


def _wrk(
    gateway: OneWorkerGateway,
    port: int,
    requests: Path,
    length: int,
    arguments: argparse.Namespace,
) -> tuple[float, float]:
    """Answers a second of one closed-loop run, and the worker's processor time for each in µs."""
    began_s = gateway.core_s()
    command = [*pinned(CLIENT_CORE), "wrk", "-t1", f"-c{arguments.connections}"]
    command += [f"-d{arguments.seconds}s", "-s", str(REPLAY), f"http://127.0.0.1:{port}/"]
    done = subprocess.run(
        command,
        env=os.environ | {"REQUESTS": str(requests), "LEN": str(length)},
        capture_output=True,
        text=True,
        check=True,
        timeout=arguments.seconds + 30,
    )
    took_s = gateway.core_s() - began_s
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    answers = re.search(r"(\d+) requests in", done.stdout)
    assert rate and answers, done.stdout
    return float(rate[1]), took_s * 1e6 / int(answers[1])


def document(*armed: ArmedShard) -> dict[str, object]:
    now_ms = int(time.time() * 1000)
    times = {"start_ms": now_ms - 1000, "end_ms": now_ms + 86_400_000, "state": "live"}
    items = {str(one.shard.item): _item(one) | times for one in armed}
    campaign = times | {"slug": "bench", "title": "bench", "items": [int(one) for one in items]}
    secret = base64.urlsafe_b64encode(SECRET).rstrip(b"=").decode()
    return {
        "version": 1,
        "campaigns": {"bench": campaign},
        "items": items,
        "entry_keys": [{"kid": KID, "secret": secret, "sign": True}],
        "switches": {"sale_enabled": True},
        "risk_rules": RULES,
        "stock": {"source": SHARD.source, "generation": 0, "lease_ms": 2000},
    }


def _item(armed: ArmedShard) -> dict[str, object]:
    shard = armed.shard
    return {
        "id": shard.item,
        "campaign": "bench",
        "merchant": "demo",
        "sku": "BENCH",
        "title": "bench",
        "price_minor": 1,
        "currency": "CNY",
        "units": UNITS,
        "limit": 1,
        "path_key": PATH_KEY,
        "shard_count": 1,
        "shards": [
            {
                "shard": shard.shard,
                "epoch": shard.epoch,
                "sha": armed.script.sha,
                "source": shard.source,
            }
        ],
    }


def _report(rounds: list[Round], arguments: argparse.Namespace) -> None:
    hello = statistics.median(one.hello_per_s for one in rounds)
    batch = statistics.median(one.batch for one in rounds)
    print(
        f"\none gateway worker, {arguments.connections} connections, "
        f"median of {len(rounds)} rounds\n"
        f"  hello from Lua        {hello:>9,.0f} /s   (the limit)"
    )
    sold = [(one.reserved_per_s, one.reserved_us) for one in rounds]
    refused = [(one.sold_out_per_s, one.sold_out_us) for one in rounds]
    p1 = _measure(rounds, "reserved, fsync each", sold, 0.50)
    p2 = _measure(rounds, "refused, sold out", refused, 0.90)
    print(f"  requests a batch      {batch:>9.1f}")
    bench_report.record({"P1": p1 | {"batch": round(batch, 1)}, "P2": p2})


def _measure(
    rounds: list[Round], name: str, seen: list[tuple[float, float]], target: float
) -> dict[str, Any]:
    """One product beside hello; `seen` is (answers a second, µs each) of each round."""
    pairs = list(zip(seen, rounds, strict=True))
    ratios = [per_s / beside.hello_per_s for (per_s, _), beside in pairs]
    core = statistics.median(beside.hello_us / each_us for (_, each_us), beside in pairs)
    ratio, product = statistics.median(ratios), statistics.median(per_s for per_s, _ in seen)
    each_us = statistics.median(us for _, us in seen)
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
        "limit": round(statistics.median(one.hello_per_s for one in rounds)),
        "rounds": [round(one, 3) for one in ratios],
        "spread": round(max(ratios) - min(ratios), 3),
        "by_processor_time": round(core, 3),
    }


if __name__ == "__main__":
    sys.exit(main())
