"""`make bench ONLY=gateway`: one gateway worker selling, and sold out, beside its limit.

    python -m tests.load.bench_reserve [--rounds 5] [--seconds 3] [--connections 256]

The limit is the same nginx worker printing "hello" from Lua, asked by the same client with the
same requests, over so many connections that the worker has work while others wait for Redis. The
product is the whole purchase ending in `reserved`: real signed tokens, each used once, limits,
risk rules and events on, a stock Redis with `appendfsync always`. Rounds alternate, so that a
slow minute of the machine hits both; medians and the range are printed and left in
`var/bench/report.json`, and nothing fails on a time. Only what the gateway counted as `reserved`
is a sale, and all of them must be winners in Redis (P1).

A second item has a queue that calls everybody: each purchase takes a number first, and then its
unit. A third one is sold out, and its mark is kept as fresh as the stock agent keeps it: the
refusals a second of the same requests are P2.

At the end a gateway whose steps are timed sells for one round: where the time of P1 goes.

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
from pathlib import Path
from threading import Event, Thread

from tests.load import bench_report, purchases
from tests.load.gateway_figures import Rate, Round, report
from tests.load.one_worker import OneWorkerGateway, pinned
from tests.redis.armed_shard import ArmedShard
from tests.redis.server import PASSWORDS, StockServer
from tests.redis.waiting import until
from workers.queue.line import Called, Opening, QueueKeys, open_queue
from workers.runtime.env import StockRedis
from workers.stock.cluster import StockCluster
from workers.stock.keys import Shard

REPLAY = Path(__file__).with_name("replay.lua")
SHARD = Shard(item=7, shard=0, epoch=1)
SOLD_OUT_SHARD = Shard(item=8, shard=0, epoch=1)
QUEUED_SHARD = Shard(item=9, shard=0, epoch=1)
EVENTS_MIN = 0.99
# As often as the agent looks at a shard.
MARK_EVERY_S = 0.2
UNITS = 2_000_000_000  # never the limit
HELLO = "what hello takes too: nginx, the kernel"
REST = "the rest: waiting and waking, batches, events to Kafka, garbage, log"
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
QUEUE = {
    "mode": "fifo",
    "buckets": [{"name": "regular", "weight": 1}],
    "k": 4,
    "grace_ms": 30_000,
    "opens_ms": 0,
    "draw": None,
}
BUYS = "sluice_gateway_buys_total"
RESERVED = f'{BUYS}{{outcome="reserved"}}'
EVENTS_SENT = 'sluice_gateway_events_total{result="sent"}'
SOLD_OUT = f'{BUYS}{{outcome="sold_out"}}'


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
            shard, queued = _granted(stock, SHARD), _granted(stock, QUEUED_SHARD)
            empty = ArmedShard(stock, SOLD_OUT_SHARD, limit=1)
            empty.arm()
            _call_everybody(stock)
            gateway.start(document(shard, empty, queued))
            with _kept_marked(empty):
                # The first touches memory and compiles traces; it is not counted.
                _round(home, gateway, arguments, 0)
                warm = (shard.books().winners, queued.books().winners)
                rounds = [
                    _round(home, gateway, arguments, number)
                    for number in range(1, arguments.rounds + 1)
                ]
            told = gateway.counters()
            sales, sent = told[RESERVED], told.get(EVENTS_SENT, 0)
            won = (shard.books().winners, queued.books().winners)
            gateway.stop()
            landed = {"reserved": won[0] - warm[0], "queued": won[1] - warm[1]}
            report(rounds, arguments.connections, landed)
            clocked = OneWorkerGateway(home / "clocked", stock, NGINX_CORE)
            try:
                clocked.start(document(shard, empty, queued), step_clock=True)
                hello_us = statistics.median(one.hello.each_us for one in rounds)
                steps = _steps(home, clocked, hello_us, arguments)
                bench_report.extend("P1", {"steps_us": steps})
            finally:
                clocked.stop()
        finally:
            gateway.stop()
            stock.stop()
    if sum(won) < sales:
        print(f"{sales:.0f} counted as reserved, but Redis has {sum(won)} winners", file=sys.stderr)
        return 1
    # Best effort; but who is measured with events has sent them.
    if sent < EVENTS_MIN * sales:
        print(f"{sales:.0f} sales, but Kafka took {sent:.0f} events", file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench_reserve")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=256)
    return parser.parse_args()


def _granted(stock: StockServer, shard: Shard) -> ArmedShard:
    armed = ArmedShard(stock, shard, limit=1)
    armed.arm()
    armed.grant(UNITS)
    return armed


def _call_everybody(stock: StockServer) -> None:
    address = StockRedis((("127.0.0.1", stock.port),), "worker", PASSWORDS["worker"])
    opening = Opening(
        generation=1,
        oldest=1,
        window=[Called(UNITS, 0)],
        numbers=[0],
        ceilings=[UNITS],
        lobby=[0],
        lobby_ceilings=[UNITS],
        lobby_is_open=False,
    )
    open_queue(StockCluster(address, "bench"), QueueKeys(QUEUED_SHARD.item, 1), opening)


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
    requests = home / "requests"
    length = prepare(requests, SHARD, arguments, number)
    hello = _wrk(gateway, gateway.hello_port, requests, length, arguments)
    reserved, sold = _outcome(home, gateway, SHARD, RESERVED, arguments, number)
    # The same shoppers want another item: by then their limits have let them be anew.
    queued, _ = _outcome(home, gateway, QUEUED_SHARD, RESERVED, arguments, number)
    sold_out, _ = _outcome(home, gateway, SOLD_OUT_SHARD, SOLD_OUT, arguments, number)
    sold_out = sold_out._replace(accepted=0, refused=sold_out.accepted + sold_out.refused)
    done = Round(
        hello=hello,
        reserved=reserved,
        queued=queued,
        sold_out=sold_out,
        batch=sold["sluice_gateway_batched_requests_total"] / sold["sluice_gateway_batches_total"],
    )
    rates = ("hello", hello), ("reserved", reserved), ("queued", queued), ("sold out", sold_out)
    print(
        f"round {number or '(warm-up)'}:",
        *(f"{name} {rate.per_s:,.0f}/s, {rate.each_us:.1f} µs  " for name, rate in rates),
        f"batch {done.batch:.1f}  refused {done.refused:.0f}",
    )
    return done


def _outcome(
    home: Path,
    gateway: OneWorkerGateway,
    shard: Shard,
    outcome: str,
    arguments: argparse.Namespace,
    number: int,
) -> tuple[Rate, dict[str, float]]:
    """What of the requests for a shard's item ended as `outcome`; and what the counters gained."""
    requests = home / "requests"
    length = prepare(requests, shard, arguments, number)
    rate, gained = counted(gateway, requests, length, arguments)
    share, buys = gained[outcome] / _buys(gained), int(_buys(gained))
    counted_as = {"accepted": int(gained[outcome]), "refused": buys - int(gained[outcome])}
    return rate._replace(per_s=rate.per_s * share, **counted_as), gained


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
) -> tuple[Rate, dict[str, float]]:
    """What was answered, and what each counter gained."""
    before = gateway.counters()
    rate = _wrk(gateway, gateway.port, requests, length, arguments)
    after = _settled(gateway)
    return rate, {name: value - before.get(name, 0) for name, value in after.items()}


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
) -> Rate:
    """One closed-loop run."""
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
    return Rate(float(rate[1]), took_s * 1e6 / int(answers[1]))


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
        "queue": QUEUE if shard.item == QUEUED_SHARD.item else None,
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


def _steps(
    home: Path, gateway: OneWorkerGateway, hello_us: float, arguments: argparse.Namespace
) -> dict[str, float]:
    """Where a purchase's time goes, in µs: one round of warm-up, one that counts."""
    number = arguments.rounds + 1
    _outcome(home, gateway, SHARD, RESERVED, arguments, number)
    before = gateway.steps()
    rate, gained = _outcome(home, gateway, SHARD, RESERVED, arguments, number + 1)
    purchases = _buys(gained)
    each = {
        name: (us - before[name][0]) / purchases
        for name, (us, calls) in gateway.steps().items()
        if calls > before[name][1]
    }
    print(f"\nwhere its {rate.each_us:.1f} µs go, with a clock at each step (it costs some itself)")
    rest = rate.each_us - hello_us - sum(each.values())
    steps = {HELLO: hello_us, **dict(sorted(each.items(), key=lambda one: -one[1])), REST: rest}
    for name, us in steps.items():
        print(f"  {us:5.1f}  {name}")
    return {name: round(us, 2) for name, us in steps.items()}


if __name__ == "__main__":
    sys.exit(main())
