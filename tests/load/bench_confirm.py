"""`make bench ONLY=orders`, second part: click to CONFIRMED at half of full load (P6).

    python -m tests.load.bench_confirm [--rounds 3] [--seconds 8]

First the whole stack is driven as hard as wrk can for some seconds: gateway, stock Redis, relay,
Kafka, order consumer, PostgreSQL. Orders made, by the time from the first reservation to the last
order, is what it takes. Then shoppers come at half of that rate, one each, whatever the answers are
like (open loop); every so many of them asks for the status of his reservation until it says
`confirmed`, as the SDK does but more often. His time counts from the moment at which he was to
click. Printed and left in `var/bench/report.json`; nothing fails on a time.

Needs SLUICE_* of a running stack, and wrk. The campaign that it makes stays.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import django

from tests.load import bench_report, campaign, purchases
from tests.load.campaign import Item
from tests.load.report import percentile
from tests.redis.waiting import until

TARGET_MS = 1000
UNITS = 500_000
LEAD_S, LASTS_S = 6.0, 1200.0
FLOOD_S, FLOOD_CONNECTIONS = 4, 64
# More than wrk gets through in that time.
FLOOD_REQUESTS = 120_000
CONNECTIONS = 96
FOLLOW_EVERY, POLL_S = 20, 0.02
SETTLED_S = 1.5
DEADLINE_S = 120.0
REPLAY = Path(__file__).with_name("replay.lua")


@dataclass
class Heard:
    """Of one round."""

    confirmed_ms: list[float] = field(default_factory=list)
    answers_ms: list[float] = field(default_factory=list)
    reserved: int = 0
    refused: int = 0
    unconfirmed: int = 0


def main() -> None:
    """Measure, print, report."""
    arguments = _arguments()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "control_plane.config.settings")
    django.setup()
    item = _put_up()
    with tempfile.TemporaryDirectory() as folder:
        takes_per_s, flooded = _saturate(item, Path(folder))
        rate = takes_per_s / 2
        first, rounds = FLOOD_REQUESTS, []
        for number in range(1, arguments.rounds + 1):
            requests = _requests(item, Path(folder), first, int(rate * arguments.seconds))
            first += len(requests)
            heard = asyncio.run(_Crowd(item, requests, rate).run())
            rounds.append(heard)
            print(
                f"round {number}: {rate:,.0f} clicks/s, {heard.reserved:,} reserved, "
                f"{heard.refused:,} refused; click → CONFIRMED of {len(heard.confirmed_ms):,}: "
                f"p50 {percentile(heard.confirmed_ms, 0.5):.0f} ms, "
                f"p99 {percentile(heard.confirmed_ms, 0.99):.0f} ms, "
                f"{heard.unconfirmed} never",
                flush=True,
            )
            orders, _ = _settled(item.id)
    bench_report.record({"P6": _measure(rounds, rate) | {"landed": orders - flooded}})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench_confirm")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0)
    return parser.parse_args()


def _put_up() -> Item:
    """A campaign as a marketer makes it; returns once it sells."""
    item = campaign.create(UNITS, LEAD_S, LASTS_S)
    until(
        lambda: campaign.is_armed(item.id) and time.time() > item.starts_at + 0.5,
        "the item is on sale",
        DEADLINE_S,
    )
    return item


def _saturate(item: Item, folder: Path) -> tuple[float, int]:
    """Orders a second when as many click as wrk can send; and how many orders that were."""
    clicks, refused = _flood(item, folder, 0)
    orders, seconds = _settled(item.id)
    rate = orders / seconds
    print(
        f"the stack takes {rate:,.0f} orders/s: {orders:,} in {seconds:.1f} s, of "
        f"{clicks:,} clicks in {FLOOD_S} s, {refused:,} refused",
        flush=True,
    )
    return rate, orders


def _flood(item: Item, folder: Path, first: int) -> tuple[int, int]:
    """For FLOOD_S, shoppers from this one on; how many clicks, how many of them were refused."""
    path = folder / "flood"
    length = purchases.write(
        path,
        item.buy_path,
        item=item.id,
        kid=item.kid,
        secret=item.secret,
        first=first,
        count=FLOOD_REQUESTS,
    )
    command = ["wrk", "-t1", f"-c{FLOOD_CONNECTIONS}", f"-d{FLOOD_S}s", "-s", str(REPLAY)]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{item.port}/"],
        env=os.environ | {"REQUESTS": str(path), "LEN": str(length)},
        check=True,
        capture_output=True,
        text=True,
        timeout=FLOOD_S + 30,
    )
    clicks = re.search(r"(\d+) requests in", done.stdout)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    return int(clicks[1]) if clicks else 0, int(refused[1]) if refused else 0


def _settled(item: int) -> tuple[int, float]:
    """Once no order is made any more: how many there are, and over what time they were."""
    from django.db.models import Max, Min

    from control_plane.orders.models import Order

    orders = Order.objects.filter(item_id=item)
    seen, since, end = -1, time.monotonic(), time.monotonic() + DEADLINE_S
    while time.monotonic() < end and time.monotonic() - since < SETTLED_S:
        now = orders.count()
        if now != seen or not now:
            seen, since = now, time.monotonic()
        time.sleep(0.1)
    span = orders.aggregate(first=Min("reserved_at"), last=Max("created_at"))
    if not span["first"]:
        raise SystemExit("nobody got an order")
    return seen, (span["last"] - span["first"]).total_seconds()


def _requests(item: Item, folder: Path, first: int, count: int) -> list[bytes]:
    path = folder / "clicks"
    length = purchases.write(
        path,
        item.buy_path,
        item=item.id,
        kid=item.kid,
        secret=item.secret,
        first=first,
        count=count,
    )
    text = path.read_bytes()
    return [text[at : at + length] for at in range(0, len(text), length)]


class _Crowd:
    """Clicks at their times over kept connections; every so many is followed to its end."""

    def __init__(self, item: Item, requests: list[bytes], rate: float) -> None:
        self._item, self._requests, self._rate = item, requests, rate
        self._next = 0
        self._followers: list[asyncio.Task[None]] = []
        self._heard = Heard()

    async def run(self) -> Heard:
        self._began = time.monotonic() + 0.1
        await asyncio.gather(*(self._click_on() for _ in range(CONNECTIONS)))
        await asyncio.gather(*self._followers)
        return self._heard

    async def _click_on(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._item.port)
        while self._next < len(self._requests):
            number, self._next = self._next, self._next + 1
            due = self._began + number / self._rate
            await asyncio.sleep(max(due - time.monotonic(), 0))
            status, body = await _ask(reader, writer, self._requests[number])
            self._heard.answers_ms.append((time.monotonic() - due) * 1000)
            if status != 200:
                self._heard.refused += 1
                continue
            self._heard.reserved += 1
            if number % FOLLOW_EVERY == 0:
                follower = self._follow(self._requests[number], body["reservation_id"], due)
                self._followers.append(asyncio.create_task(follower))
        writer.close()

    async def _follow(self, request: bytes, reservation: str, due: float) -> None:
        bearer = next(one for one in request.split(b"\r\n") if one.startswith(b"Authorization"))
        head = f"GET /v1/reservations/{reservation} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        ask = head.encode() + bearer + b"\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", self._item.port)
        while time.monotonic() - due < DEADLINE_S / 4:
            _, body = await _ask(reader, writer, ask)
            if body.get("state") == "confirmed":
                self._heard.confirmed_ms.append((time.monotonic() - due) * 1000)
                break
            await asyncio.sleep(POLL_S)
        else:
            self._heard.unconfirmed += 1
        writer.close()


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[int, dict[str, Any]]:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]
    body = await reader.readexactly(int(length))
    return int(head[9:12]), json.loads(body)


def _measure(rounds: list[Heard], rate: float) -> dict[str, Any]:
    p99s = [percentile(one.confirmed_ms, 0.99) for one in rounds]
    p50s = [percentile(one.confirmed_ms, 0.50) for one in rounds]
    value = statistics.median(p99s)
    print(
        f"\nclick → CONFIRMED at {rate:,.0f} clicks/s, half of what the stack takes, "
        f"median of {len(rounds)} rounds\n"
        f"  p50 {statistics.median(p50s):,.0f} ms   p99 {value:,.0f} ms "
        f"(range {min(p99s):,.0f} to {max(p99s):,.0f}; target below {TARGET_MS:,})"
    )
    return {
        "value": round(value),
        "unit": "ms",
        "target": TARGET_MS,
        "met": value < TARGET_MS and not any(one.unconfirmed for one in rounds),
        "product": round(rate),
        "limit": round(2 * rate),
        "rounds": [round(one) for one in p99s],
        "spread": round(max(p99s) - min(p99s)),
        "p50_ms": round(statistics.median(p50s)),
        "accepted": sum(one.reserved for one in rounds),
        "refused": sum(one.refused for one in rounds),
        "unconfirmed": sum(one.unconfirmed for one in rounds),
    }


if __name__ == "__main__":
    main()
