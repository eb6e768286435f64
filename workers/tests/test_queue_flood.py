"""50,000 tickets and 500 units through a real gateway, driven by the real queue controller."""

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from control_plane.campaigns import services as campaigns
from control_plane.inventory import services as inventory
from control_plane.merchants.models import Merchant
from tests.gateway.control_plane import ControlPlane
from tests.gateway.gateway import Gateway
from tests.gateway.shop import Item, Shop
from tests.gateway.work_redis import WorkRedis
from tests.redis.books import held_by
from tests.redis.server import PASSWORDS, StockServer
from workers.queue import line
from workers.queue.control import QueueController
from workers.queue.line import QueueKeys
from workers.queue.pace import Reading
from workers.runtime.clock import SystemClock
from workers.runtime.env import StockRedis
from workers.stock.cluster import StockCluster, StockClusters
from workers.tests.flood import Flood
from workers.tests.queue_crowd import TICK_S, Published
from workers.tests.running import in_thread

TICKETS, UNITS, K, GRACE_S = 50_000, 500, 3, 3.0
# Only these, and every 200th of the others, ask between their first time and the sell-out.
NEAR = 2_500
# Of the first ones three in four stay away, so that it takes several windows to sell all.
STAY_AWAY_BELOW = 2_000


@dataclass
class Windows:
    """The controller in a thread; what each of its ticks called, beside the units there were."""

    controller: QueueController
    cluster: StockCluster
    keys: QueueKeys
    item: Item
    stop: threading.Event = field(default_factory=threading.Event)
    problems: list[str] = field(default_factory=list)
    too_many: list[tuple[int, int]] = field(default_factory=list)
    grew: int = 0

    def run(self) -> None:
        served = 0
        while not self.stop.wait(TICK_S):
            units = self.item.shard.books().avail
            problem = self.controller.tick()
            self.problems += [problem] if problem else []
            looked = line.look(self.cluster, self.keys, 1)
            window = looked.window[0]
            outstanding = window.served_until - window.written_off - looked.came[0]
            if window.served_until > served:
                self.grew += 1
                if outstanding > K * units:
                    self.too_many.append((outstanding, units))
            served = window.served_until


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Two workers, before a stock Redis of its own."""
    stock, work, plane = StockServer(tmp_path / "node"), WorkRedis(tmp_path), ControlPlane()
    stock.start()
    stock.own_all_slots()
    work.start()
    plane.start()
    addresses = {
        "SLUICE_STOCK_REDIS": stock.address,
        "SLUICE_WORK_REDIS_URL": work.url,
        "SLUICE_CONTROL_PLANE_URL": plane.url,
    }
    gateway = Gateway(tmp_path / "gateway", addresses, workers=2)
    gateway.start()
    yield Shop(plane, gateway, stock)
    gateway.stop()
    plane.stop()
    work.stop()
    stock.stop()
    assert gateway.unexpected_errors() == []


@pytest.fixture
def windows(shop: Shop, transactional_db: None) -> Windows:
    """An item with 500 units on sale at the gateway; its queue opens in a minute."""
    now = datetime.now(UTC)
    draft = campaigns.create_draft(
        Merchant.objects.create(slug="shop", name="Shop"),
        slug="flood",
        title="Flood",
        starts_at=now + timedelta(seconds=30),
        ends_at=now + timedelta(hours=1),
        items=[{"sku": "TEA", "title": "Tea", "units": UNITS, "price_minor": 1999}],
    )
    row = campaigns.approve(draft, by=None, now=now).items.get()
    shop.stock.operator.set("{tests}:items", row.pk - 1)
    item = shop.put_up(units=UNITS)
    assert item.id == row.pk
    opened = inventory.open_epoch(row.pk, 0, after=0, epoch=1, source="primary")
    assert opened
    inventory.claim_life(opened.pk, shop.stock.life)
    inventory.record_armed(opened.pk, item.shard.script.sha)
    grant = inventory.begin_grant(opened.pk, UNITS)
    assert grant
    inventory.mark_grant_applied(grant.pk)

    clock = SystemClock()
    published = Published(row, clock, k=K, grace_ms=int(GRACE_S * 1000))
    published.item["start_ms"] += 50_000
    shop.change(item, queue=published.queue)
    seeds = StockRedis((("127.0.0.1", shop.stock.port),), "worker", PASSWORDS["worker"])
    controller = QueueController(
        StockClusters.connect({"primary": seeds}, "test"),
        clock,
        lambda: Reading(clock.monotonic(), 0, 0.1),
        newest=published,
    )
    controller.tick()
    return Windows(controller, StockCluster(seeds, "test"), QueueKeys(row.pk, 1), item)


def worker_bytes(gateway: Gateway) -> int:
    """Memory of all nginx workers."""
    pages = (Path(f"/proc/{pid}/statm").read_text().split()[1] for pid in gateway.worker_pids())
    return sum(int(count) * 4096 for count in pages)


def queue_bytes(shop: Shop, keys: QueueKeys) -> int:
    """Memory of the queue's keys."""
    names = [keys.ctl, keys.numbers, keys.lobby, keys.seen, *keys.came]
    return sum(int(shop.stock.operator.memory_usage(name) or 0) for name in names)


async def test_fifty_thousand_tickets_for_five_hundred_units(
    shop: Shop, windows: Windows, capsys: pytest.CaptureFixture[str]
) -> None:
    flood = Flood(windows.item, shop.gateway.port, TICKETS)
    people = flood.visitors

    # All get a ticket, and nobody costs memory.
    warm = TICKETS // 2
    await flood.ask(people[:warm])
    workers_before, redis_before = worker_bytes(shop.gateway), queue_bytes(shop, windows.keys)
    await flood.ask(people[warm:])
    grown = worker_bytes(shop.gateway) - workers_before
    redis_grown = queue_bytes(shop, windows.keys) - redis_before
    assert Counter(one.heard for one in people) == {"queued": TICKETS}
    assert sorted(one.place for one in people) == list(range(TICKETS))

    # The sale begins: who is near asks as he is told, three in four of the first are gone for good.
    for one in people:
        one.asks_at = 0.0
    comers = [
        one
        for one in people
        if (one.place < NEAR and (one.place >= STAY_AWAY_BELOW or one.place % 4 == 0))
        or one.place % 200 == 0
    ]
    windows.controller._newest.item["start_ms"] -= 60_000  # type: ignore[attr-defined]
    with in_thread(windows.run, windows.stop):
        await flood.poll(comers, lambda: any(one.heard == "sold_out" for one in comers))
        sold = [one for one in people if one.heard == "reserved"]
        assert len(sold) == UNITS
        # Everybody else hears it at his next poll, whatever his place.
        rest = [one for one in people if one.heard != "reserved"]
        await flood.ask(rest)
        # A worker that looks at the window a moment later than the other says so a moment later.
        late = [one for one in rest if one.heard == "queued"]
        assert len(late) <= TICKETS // 100
        for one in late:
            one.asks_at = 0.0
        await flood.poll(late, lambda: all(one.heard != "queued" for one in late))
        # Who is inside of the window asks the shard, which a stock agent would have marked.
        called = [one for one in rest if one.heard == "busy"]
        await flood.ask(called)
    heard = Counter(one.heard for one in people)
    with capsys.disabled():
        print(
            f"\n{TICKETS} tickets, {UNITS} units, k {K}: {dict(heard)}, {flood.asked} answers,"
            f" the window grew {windows.grew} times; a ticket costs {grown / (TICKETS - warm):.2f}"
            f" bytes in nginx and {redis_grown / (TICKETS - warm):.4f} in Redis"
            f" ({worker_bytes(shop.gateway) // 1024} KiB, {queue_bytes(shop, windows.keys)} B)"
        )
    assert windows.problems == []
    assert windows.too_many == []
    assert heard == {"reserved": UNITS, "sold_out": TICKETS - UNITS}
    assert all(one.place < STAY_AWAY_BELOW + UNITS * K for one in called)
    assert windows.grew > 2
    names = {one.name: [(one.reservation_id, 1)] for one in sold}
    assert held_by(shop.stock.worker, windows.item.shard.shard) == names
    assert windows.item.shard.faults() == []
    # Less than a byte is no ticket; what nginx keeps in between are buffers, whoever comes.
    assert redis_grown < TICKETS // 100
    assert grown < 20 * (TICKETS - warm)
