"""`make demo`: one flash sale with simulated shoppers, and a proof of what came of it.

The shoppers go through edge and gateway only. Afterwards the sale is counted from every side (what
was answered, Redis, the orders, the warehouse), printed, and left in `var/demo/summary.json`. The
exit code is 1 when a unit was oversold, lost or sold twice, when the books do not balance, or when
an answer was given that must not be.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import django
import jwt
import uvloop
from rich.console import Console

from tests.load import report
from tests.load.shoppers import Heard, Sale, Shopper, crowd

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.load.books import Books
    from workers.stock.cluster import StockClusters

SUMMARY = Path("var", "demo", "summary.json")
LEAD_S = 8.0  # between approval and start: enough for early shoppers to be too early
SALE_S = 300.0
SETTLE_S = 60.0
VIA_EDGE = 0.1  # purchases that take the edge's pass-through instead of the gateway's own address
# A log file has no width of its own; 80 columns would break every line.
CONSOLE = Console(highlight=False, soft_wrap=True)


def main() -> int:
    """Run the sale; 0 when every promise was kept."""
    arguments = _arguments()
    # Imported late: they need Django's settings, and those the environment of the stack.
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "control_plane.config.settings")
    django.setup()
    from tests.load import books

    began = time.monotonic()
    sessions = _sessions(arguments.shoppers)
    campaign = _set_up_campaign(arguments)
    item = campaign["items"][0]["id"]
    start = campaign["start_ms"] / 1000
    shoppers = crowd(sessions, arguments.spike_s, arguments.seed)
    CONSOLE.print(
        f"campaign [bold]{campaign['slug']}[/]: {arguments.units} units, {len(shoppers)} shoppers "
        f"(seed {arguments.seed}), opens in {max(0.0, start - time.time()):.1f} s"
    )
    heard = uvloop.run(_run_sale(shoppers, item, start, arguments))
    CONSOLE.print("shoppers are done; waiting until every reservation is an order and deducted …")
    stock = _stock_clusters()

    def count() -> "Books":
        return books.read(item, arguments.units, arguments.limit, stock)

    # Also what was taken for an answer that never arrived is on its way until the books balance.
    counted = _wait_for(count, lambda now: not any(now.drifts.values()), SETTLE_S)
    summary = report.summarise(heard, counted, len(shoppers), time.monotonic() - began)
    arguments.summary.parent.mkdir(parents=True, exist_ok=True)
    arguments.summary.write_text(json.dumps(summary, indent=2) + "\n")
    report.show(CONSOLE, heard, counted, summary)
    CONSOLE.print(f"\nsummary in {arguments.summary}; the stack stays up (`make down`)")
    edge, control_plane = os.environ["SLUICE_EDGE_URL"], os.environ["SLUICE_CONTROL_PLANE_URL"]
    CONSOLE.print(f"the sale's page: {edge}/?campaign={campaign['slug']}")
    CONSOLE.print(f"its orders: {control_plane}/admin/ (`make status` names the password's file)")
    broken = report.broken_promises(heard, counted, len(shoppers))
    for promise in broken:
        CONSOLE.print(f"[bold red]broken:[/] {promise}")
    return 1 if broken else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.demo", description=__doc__)
    parser.add_argument("--shoppers", type=int, default=20_000)
    parser.add_argument("--units", type=int, default=2_000)
    parser.add_argument("--limit", type=int, default=1)
    parser.add_argument("--lead-s", type=float, default=LEAD_S)
    parser.add_argument("--summary", type=Path, default=SUMMARY)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--progress-s", type=float, default=2.0)
    parser.add_argument("--spike-s", type=float, default=5.0)
    return parser.parse_args()


def _set_up_campaign(arguments: argparse.Namespace) -> report.JsonObject:
    """What a marketer and the warehouse do before a sale: the control plane's own command."""
    slug = f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    command = [sys.executable, "-m", "control_plane", "create_campaign", "--approve"]
    command += ["--slug", slug, "--title", "Spring tea, first harvest", "--price-minor", "1999"]
    command += ["--units", str(arguments.units), "--limit", str(arguments.limit)]
    command += ["--starts-in-s", str(arguments.lead_s), "--lasts-s", str(SALE_S)]
    # 20,000 proofs of work are a quarter of an hour of this machine: in a real sale each shopper's
    # own device does his. tests/e2e/test_human_check.py buys through the check.
    command += ["--without-human-check"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    campaign: report.JsonObject = json.loads(done.stdout)
    return campaign


def _stock_clusters() -> "StockClusters":
    from workers.runtime import env
    from workers.stock.cluster import StockClusters

    # A client like this one serves no metrics; a worker's environment names the port.
    mine = env.read(os.environ | {"SLUICE_METRICS_PORT": "1"}, stock_redis=True)
    return StockClusters.connect(mine.stock_sources, "demo")


def _sessions(count: int) -> list[tuple[str, str]]:
    """Shopper names and sessions, signed with the merchant's key as its shop would sign them."""
    from control_plane.merchants.services import ensure_demo_merchant

    merchant = ensure_demo_merchant()
    key = merchant.session_keys.filter(active=True).latest("created_at")
    secret = jwt.utils.base64url_decode(key.secret)
    now = int(time.time())
    claims = {"iss": merchant.slug, "aud": "sluice", "iat": now, "exp": now + 3600}
    names = [f"shopper-{number:05d}" for number in range(count)]
    return [
        (name, jwt.encode(claims | {"sub": name}, secret, "HS256", headers={"kid": key.kid}))
        for name in names
    ]


async def _run_sale(
    shoppers: list[Shopper], item: int, start: float, arguments: argparse.Namespace
) -> Heard:
    edge, gateway = os.environ["SLUICE_EDGE_URL"], os.environ["SLUICE_GATEWAY_URL"]
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        sale = Sale(http, edge, gateway, item, start, VIA_EDGE, arguments.connections)
        watcher = asyncio.create_task(_watch(sale, len(shoppers), arguments.progress_s))
        await asyncio.gather(*(sale.run(shopper) for shopper in shoppers))
        watcher.cancel()
        return sale.heard


async def _watch(sale: Sale, total: int, progress_s: float) -> None:
    while True:
        heard, clock = sale.heard, time.time() - sale.start
        CONSOLE.print(
            f"{clock:+6.1f} s  done {heard.finished:>6}/{total}  "
            f"reserved {len(heard.reserved):>5}  confirmed {len(heard.confirmed):>5}  "
            f"sold_out {heard.answers['buy sold_out']:>6}  busy {heard.answers['buy busy']:>5}  "
            f"bad_token {heard.answers['buy bad_token']:>4}"
        )
        await asyncio.sleep(progress_s)


def _wait_for(
    look: "Callable[[], Books]", done: "Callable[[Books], bool]", deadline_s: float
) -> "Books":
    """Look until done or the deadline; what is still missing then, the books show."""
    give_up = time.monotonic() + deadline_s
    while not done(seen := look()) and time.monotonic() < give_up:
        time.sleep(0.2)
    return seen


if __name__ == "__main__":
    sys.exit(main())
