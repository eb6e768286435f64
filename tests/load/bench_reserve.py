"""`make bench`: reservations per second of one gateway worker, beside what it could do at all.

    python -m tests.load.bench_reserve [--rounds 5] [--seconds 3] [--connections 128]

The limit is the same nginx worker printing "hello" from Lua, asked by the same client with the same
requests. The product is the whole purchase ending in `reserved`: real signed tokens, each used
once, all steps on, a stock Redis with `appendfsync always`. Rounds alternate, so that a slow minute
of the machine hits both; medians and the range are printed and left in `var/bench/report.json`, and
nothing fails on a time. Only what the gateway counted as `reserved` is a sale, and all of them must
be winners in Redis.

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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.load import bench_report, purchases
from tests.load.one_worker import OneWorkerGateway, pinned
from tests.redis.armed_shard import ArmedShard
from tests.redis.server import StockServer
from tests.redis.waiting import until
from workers.stock.keys import Shard

REPLAY = Path(__file__).with_name("replay.lua")
SHARD = Shard(item=7, shard=0, epoch=1)
UNITS = 2_000_000_000  # never the limit
KID, SECRET = "bench", b"b" * 32
PATH_KEY = "p" * 22
NGINX_CORE, CLIENT_CORE = "0", "1"
# More than any worker here can serve in one round.
REQUESTS_PER_S = 60_000
RESERVED = 'sluice_gateway_buys_total{outcome="reserved"}'


@dataclass(frozen=True)
class Round:
    """One round: answers a second of each side, and how the reservations came about."""

    hello_per_s: float
    reserved_per_s: float
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
            gateway.start(_document(shard.script.sha))
            # The first touches memory and compiles traces for the first time; it is not counted.
            rounds = [
                _round(home, gateway, arguments, number) for number in range(arguments.rounds + 1)
            ][1:]
            counted = gateway.counters()[RESERVED]
            winners = shard.books().winners
        finally:
            gateway.stop()
            stock.stop()
    _report(rounds, arguments)
    if winners < counted:
        print(
            f"{counted:.0f} counted as reserved, but Redis has {winners} winners", file=sys.stderr
        )
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench_reserve")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=128)
    return parser.parse_args()


def _round(
    home: Path, gateway: OneWorkerGateway, arguments: argparse.Namespace, number: int
) -> Round:
    requests = home / "requests"
    count = REQUESTS_PER_S * arguments.seconds
    length = purchases.write(
        requests,
        f"/v1/items/{SHARD.item}/{PATH_KEY}/buy",
        item=SHARD.item,
        kid=KID,
        secret=SECRET,
        first=number * count,
        count=count,
    )
    hello = _wrk(gateway.hello_port, requests, length, arguments)
    before = gateway.counters()
    answered = _wrk(gateway.port, requests, length, arguments)
    after = _settled(gateway)
    gained = {name: value - before.get(name, 0) for name, value in after.items()}
    calls = gained["sluice_gateway_batches_total"]
    buys = sum(value for name, value in gained.items() if name.startswith("sluice_gateway_buys"))
    done = Round(
        hello_per_s=hello,
        reserved_per_s=answered * gained[RESERVED] / buys,
        refused=buys - gained[RESERVED],
        batch=gained["sluice_gateway_batched_requests_total"] / calls,
    )
    ratio = done.reserved_per_s / done.hello_per_s
    print(
        f"round {number or '(warm-up)'}: hello {done.hello_per_s:,.0f}/s"
        f"   reserved {done.reserved_per_s:,.0f}/s   ratio {ratio:.2f}"
        f"   batch {done.batch:.1f}   refused {done.refused:.0f}"
    )
    return done


def _settled(gateway: OneWorkerGateway) -> dict[str, float]:
    """The counters once the worker has flushed the last ones, which it does every second."""
    time.sleep(1.2)
    return until(gateway.counters, "counters")


def _wrk(port: int, requests: Path, length: int, arguments: argparse.Namespace) -> float:
    """Answers a second of one closed-loop run."""
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
    found = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    assert found, done.stdout
    return float(found[1])


def _document(sha: str) -> dict[str, object]:
    now_ms = int(time.time() * 1000)
    times = {"start_ms": now_ms - 1000, "end_ms": now_ms + 86_400_000, "state": "live"}
    item = times | {
        "id": SHARD.item,
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
            {"shard": SHARD.shard, "epoch": SHARD.epoch, "sha": sha, "source": SHARD.source}
        ],
    }
    secret = base64.urlsafe_b64encode(SECRET).rstrip(b"=").decode()
    return {
        "version": 1,
        "campaigns": {"bench": times | {"slug": "bench", "title": "bench", "items": [SHARD.item]}},
        "items": {str(SHARD.item): item},
        "entry_keys": [{"kid": KID, "secret": secret, "sign": True}],
        "switches": {"sale_enabled": True},
        "stock": {"source": SHARD.source, "generation": 0, "lease_ms": 2000},
    }


def _report(rounds: list[Round], arguments: argparse.Namespace) -> None:
    ratios = [one.reserved_per_s / one.hello_per_s for one in rounds]
    hello = statistics.median(one.hello_per_s for one in rounds)
    reserved = statistics.median(one.reserved_per_s for one in rounds)
    batch = statistics.median(one.batch for one in rounds)
    ratio = statistics.median(ratios)
    print(
        f"\none gateway worker, {arguments.connections} connections, "
        f"median of {len(rounds)} rounds\n"
        f"  hello from Lua        {hello:>9,.0f} /s   (the limit)\n"
        f"  reserved, fsync each  {reserved:>9,.0f} /s   {ratio:.2f} of hello "
        f"(range {min(ratios):.2f} to {max(ratios):.2f}; target 0.50)\n"
        f"  requests a batch      {batch:>9.1f}"
    )
    measure: dict[str, Any] = {
        "value": round(ratio, 3),
        "unit": "ratio",
        "target": 0.50,
        "met": ratio >= 0.50,
        "product": round(reserved),
        "limit": round(hello),
        "rounds": [round(one, 3) for one in ratios],
        "spread": round(max(ratios) - min(ratios), 3),
        "batch": round(batch, 1),
    }
    bench_report.record({"P1": measure})


if __name__ == "__main__":
    sys.exit(main())
