"""`make bench ONLY=redis`: what a reservation costs the stock Redis, in time (P3) and memory (P9).

    python -m tests.load.bench_redis [--rounds 5] [--batch 64] [--connections 8]

One Redis with the stack's configuration, `appendfsync always`, sells unique shoppers their units by
`reserve.lua`: once in batches, once with the very same script called for every request. Both send
the same requests over as many connections and have as many in flight, the second as pipelines of
single calls. Figures are of the processor time that Redis says it used (INFO cpu), so a
client in Python does not count; rounds alternate, so that a slow minute hits both; the first is not
counted. Every answer is compared with `R`, and every R must be a winner in Redis.

Memory is what Redis says of its keys (MEMORY USAGE, every field): `buyers` stays as long as the
epoch; the outbox holds an intent until PostgreSQL has decided it, a matter of seconds. Of the
queue: what a million visitors who take their numbers add to its keys, and what is there once each
of them was called and came.
"""

import argparse
import base64
import hashlib
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

# Its Redis is its own, so it needs no stack; but whatever is in workers/ sets Django up.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.local.tool_settings")

from tests.load import bench_report
from tests.redis.armed_shard import ArmedShard
from tests.redis.queue_keys import Queue
from tests.redis.server import PASSWORDS, Client, StockServer
from workers.queue.line import Called
from workers.stock import scripts
from workers.stock.keys import RELAY_GROUP, Shard

REDIS_CORE, CLIENT_CORE = 0, 1
UNITS = 2_000_000_000  # never the limit
# Reservations a round: about half a second of processor time each.
BATCHED, SINGLE = 131_072, 16_384
PER_CORE_SECOND_TARGET, RATIO_TARGET, BYTES_TARGET = 300_000, 4.0, 250
VISITORS, BUCKETS, VISITORS_A_CALL = 1_000_000, 8, 500
_items = count(1)


@dataclass(frozen=True)
class Cost:
    """One side of one round."""

    reservations: int
    core_s: float
    wall_s: float

    @property
    def per_core_s(self) -> float:
        """Reservations a second of Redis' processor time."""
        return self.reservations / self.core_s

    @property
    def core_us(self) -> float:
        """Microseconds of it for each."""
        return self.core_s * 1e6 / self.reservations


def main() -> int:
    """Measure, print, write the report; 0 unless something was counted that is no reservation."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        stock = StockServer(Path(folder) / "redis")
        try:
            stock.start()
            _pin(stock)
            stock.own_all_slots()
            # A rewrite is a child's work and would only disturb the round it falls into.
            stock.operator.config_set("auto-aof-rewrite-percentage", 0)
            rounds = [_round(stock, arguments, number) for number in range(arguments.rounds + 1)]
            memory = _memory(stock, arguments)
            waiting, came = _queue_memory(stock)
        finally:
            stock.stop()
    p9 = {"P9": _p9(memory), "P9 in the queue": _p9_in_the_queue(waiting, came)}
    bench_report.record({"P3": _p3(rounds[1:], arguments)} | p9)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench_redis")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--connections", type=int, default=8)
    return parser.parse_args()


def _pin(stock: StockServer) -> None:
    """One core for Redis, another one for us, where there are two."""
    if len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(stock.pid, {REDIS_CORE})
        os.sched_setaffinity(0, {CLIENT_CORE})


def _round(stock: StockServer, arguments: argparse.Namespace, number: int) -> tuple[Cost, Cost]:
    batched = _sell(stock, BATCHED, arguments.batch, 1, arguments.connections)
    single = _sell(stock, SINGLE, 1, arguments.batch, arguments.connections)
    print(
        f"round {number or '(warm-up)'}: "
        f"batches of {arguments.batch} {batched.per_core_s:,.0f} per core-second, "
        f"{BATCHED / batched.wall_s:,.0f}/s   "
        f"single calls {single.per_core_s:,.0f} per core-second, {SINGLE / single.wall_s:,.0f}/s   "
        f"ratio {batched.per_core_s / single.per_core_s:.1f}"
    )
    return batched, single


def _sell(stock: StockServer, total: int, batch: int, calls: int, connections: int) -> Cost:
    """`total` reservations of a new shard, `batch` a call, `calls` in a pipeline."""
    shard = _armed(stock)
    sends = list(_sends(shard, total, batch, calls))
    answer = _answer(batch) * calls
    with _sockets(stock, connections) as open_sockets:
        core_s, started = _core_s(stock.operator), time.perf_counter()
        for first in range(0, len(sends), connections):
            asked = list(zip(open_sockets, sends[first : first + connections], strict=False))
            for connection, send in asked:
                connection.sendall(send)
            for connection, _ in asked:
                _expect(connection, answer)
        cost = Cost(total, _core_s(stock.operator) - core_s, time.perf_counter() - started)
    books = shard.books()
    if (books.sold, books.winners, books.balanced) != (total, total, 1):
        raise SystemExit(f"bench: {total} were reserved, but Redis says {books}")
    stock.operator.delete(shard.shard.buyers, shard.shard.outbox)
    return cost


def _answer(batch: int) -> bytes:
    """What reserve.lua says when every request of a batch is reserved."""
    return b"*2\r\n$%d\r\n%s\r\n$0\r\n\r\n" % (batch, b"R" * batch)


def _armed(stock: StockServer) -> ArmedShard:
    shard = ArmedShard(stock, Shard(next(_items), 0, 1), limit=1)
    shard.arm()
    shard.grant(UNITS)
    return shard


def _sends(shard: ArmedShard, total: int, batch: int, calls: int) -> Iterator[bytes]:
    """The bytes of each pipeline, made before the clock runs."""
    script, keys = scripts.reserve_for(shard.shard), shard.keys
    head = ["EVALSHA", script.sha, str(len(keys)), *keys]
    for first in range(0, total, batch * calls):
        pipeline = []
        for start in range(first, first + batch * calls, batch):
            words = list(head)
            for number in range(start, start + batch):
                words.append(_line(shard.shard, number))
            pipeline.append(_command(words))
        yield b"".join(pipeline)


def _line(shard: Shard, number: int) -> str:
    """As long as the gateway's, and as random: Redis' Lua hashes every byte of it."""
    shopper = f"shopper-{number:014d}"
    digest = hashlib.sha256(f"{shard.item} {number}".encode()).digest()
    random = base64.urlsafe_b64encode(digest + digest[:1]).decode()
    reservation_id = f"{shard.item}-{shard.shard}-{random[:22]}"
    at_ms = 1_795_348_800_000 + number
    return f"{shopper} {reservation_id}=1 {random[22:]} regular {at_ms}"


def _command(words: list[str]) -> bytes:
    parts = [f"*{len(words)}\r\n"]
    parts += [f"${len(word)}\r\n{word}\r\n" for word in words]
    return "".join(parts).encode()


@contextmanager
def _sockets(stock: StockServer, number: int) -> Iterator[list[socket.socket]]:
    """Connections of the gateway's user."""
    opened = [socket.create_connection(("127.0.0.1", stock.port), 10) for _ in range(number)]
    try:
        for connection in opened:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(_command(["AUTH", "gateway", PASSWORDS["gateway"]]))
            _expect(connection, b"+OK\r\n")
        yield opened
    finally:
        for connection in opened:
            connection.close()


def _expect(connection: socket.socket, answer: bytes) -> None:
    """Read exactly this; anything else is no sale."""
    got = b""
    while len(got) < len(answer):
        more = connection.recv(len(answer) - len(got))
        if not more or not answer.startswith(got + more):
            raise SystemExit(f"bench: not every answer was R: {(got + more)[:200]!r}")
        got += more


def _core_s(client: Client) -> float:
    used = client.info("cpu")
    return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])


def _memory(stock: StockServer, arguments: argparse.Namespace) -> dict[str, float]:
    """Bytes a winner: of the keys before and after the relay's work, and of the whole server."""
    used = _used_bytes(stock.operator)
    shard = _armed(stock)
    answer = _answer(arguments.batch)
    with _sockets(stock, 1) as (connection,):
        for send in _sends(shard, BATCHED, arguments.batch, 1):
            connection.sendall(send)
            _expect(connection, answer)
    buyers, outbox = _bytes_of(stock.operator, shard)
    before = _used_bytes(stock.operator) - used
    # As if a relay had read and acknowledged all of it.
    stock.operator.xgroup_setid(shard.shard.outbox, RELAY_GROUP, "$")
    shard.call(scripts.TRIM, [shard.shard.outbox], f"{2**48}-0")
    trimmed_buyers, trimmed_outbox = _bytes_of(stock.operator, shard)
    after = _used_bytes(stock.operator) - used
    assert buyers == trimmed_buyers
    return {
        "buyers": buyers / BATCHED,
        "outbox": outbox / BATCHED,
        "outbox_after_trim": trimmed_outbox / BATCHED,
        "used_memory": before / BATCHED,
        "used_memory_after_trim": after / BATCHED,
    }


def _queue_memory(stock: StockServer) -> tuple[float, float]:
    """Bytes a visitor of one queue: while all wait for their number, and when all have come."""
    queue = Queue(stock, next(_items), BUCKETS)
    queue.open()
    empty = queue.memory()
    share = VISITORS_A_CALL // BUCKETS
    calls = VISITORS // (share * BUCKETS)
    for number in range(calls):
        firsts = queue.take(*[share] * BUCKETS)[4]
        if firsts != ",".join([str(number * share)] * BUCKETS):
            raise SystemExit(f"bench: not every visitor has his own number: {firsts}")
    taken = queue.look().numbers
    if taken != [calls * share] * BUCKETS:
        raise SystemExit(f"bench: numbers were taken and Redis says {taken}")
    waiting = queue.memory()
    queue.move(*[Called(calls * share, 0)] * BUCKETS)
    for first in range(0, calls * share, share):
        places = range(first, first + share)
        queue.take(came=" ".join(f"{b}:{at}" for b in range(BUCKETS) for at in places))
    came = queue.look().came
    if came != [calls * share] * BUCKETS:
        raise SystemExit(f"bench: all have come and Redis says {came}")
    visitors = calls * share * BUCKETS
    return (waiting - empty) / visitors, (queue.memory() - empty) / visitors


def _bytes_of(client: Client, shard: ArmedShard) -> tuple[int, int]:
    keys = (shard.shard.buyers, shard.shard.outbox)
    buyers, outbox = (int(client.memory_usage(key, samples=0)) for key in keys)
    return buyers, outbox


def _used_bytes(client: Client) -> int:
    return int(client.info("memory")["used_memory_dataset"])


def _p3(rounds: list[tuple[Cost, Cost]], arguments: argparse.Namespace) -> dict[str, Any]:
    batched = [one.per_core_s for one, _ in rounds]
    single = [other.per_core_s for _, other in rounds]
    ratios = [one / other for one, other in zip(batched, single, strict=True)]
    value, limit, ratio = (statistics.median(some) for some in (batched, single, ratios))
    print(
        f"\nP3, median of {len(rounds)} rounds, {arguments.connections} connections, "
        f"fsync always\n"
        f"  batches of {arguments.batch:<5}     {value:>9,.0f} reservations per Redis core-second "
        f"({min(batched):,.0f} to {max(batched):,.0f}; target {PER_CORE_SECOND_TARGET:,})\n"
        f"  one call a request   {limit:>9,.0f}\n"
        f"  ratio                {ratio:>9.1f} "
        f"({min(ratios):.1f} to {max(ratios):.1f}; target {RATIO_TARGET})"
    )
    return {
        "value": round(value),
        "unit": "reservations per Redis core-second",
        "target": PER_CORE_SECOND_TARGET,
        "met": value >= PER_CORE_SECOND_TARGET and ratio >= RATIO_TARGET,
        "product": round(value),
        "limit": round(limit),
        "ratio": round(ratio, 2),
        "ratio_target": RATIO_TARGET,
        "rounds": [round(one) for one in batched],
        "spread": round(max(batched) - min(batched)),
        "batch": arguments.batch,
        # Every answer was compared with R, and every R is a winner in Redis.
        "accepted": BATCHED * len(rounds),
        "refused": 0,
        "landed": BATCHED * len(rounds),
    }


def _p9(memory: dict[str, float]) -> dict[str, Any]:
    value = memory["buyers"] + memory["outbox_after_trim"]
    before = memory["buyers"] + memory["outbox"]
    print(
        f"\nP9, bytes per winner of {BATCHED:,}\n"
        f"  buyers               {memory['buyers']:>9.0f}\n"
        f"  outbox               {memory['outbox']:>9.0f}   "
        f"({memory['outbox_after_trim']:.2f} when relayed, decided and trimmed)\n"
        f"  both, for good       {value:>9.0f}   (target {BYTES_TARGET})\n"
        f"  both, on their way   {before:>9.0f}\n"
        f"  used by the server   {memory['used_memory']:>9.0f} on their way, "
        f"{memory['used_memory_after_trim']:.0f} for good"
    )
    return {
        "value": round(value, 1),
        "unit": "bytes per winner",
        "target": BYTES_TARGET,
        "met": value <= BYTES_TARGET,
        "product": round(value, 1),
        "limit": None,
        "rounds": [round(value, 1)],
        "spread": 0,
        "accepted": BATCHED,
        "refused": 0,
        "landed": BATCHED,
        "before_trim": round(before, 1),
        **{name: round(one, 1) for name, one in memory.items()},
    }


def _p9_in_the_queue(waiting: float, came: float) -> dict[str, Any]:
    value = round(waiting, 2) + 0.0  # no minus before nothing
    print(
        f"\nP9 in the queue, bytes per visitor of {VISITORS:,}\n"
        f"  with a number, waiting {value:>7.2f}   (target 0)\n"
        f"  called and come        {came:>7.2f}"
    )
    return {
        "value": value,
        "unit": "bytes per visitor",
        "target": 0,
        "met": value == 0,
        "product": value,
        "limit": None,
        "rounds": [value],
        "spread": 0,
        "came": round(came, 2),
    }


if __name__ == "__main__":
    sys.exit(main())
