"""What the tests of all apps need: a clock, a shop, a campaign, and callables run at once."""

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connections
from django.utils import translation

from control_plane.campaigns import services as campaigns
from control_plane.campaigns.models import Campaign, Item
from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation, Rearm
from control_plane.merchants.models import Merchant
from control_plane.orders import projection

ROOT = Path(__file__).resolve().parents[1]
# A hang is a failure that says so; nothing here takes long.
RACE_DEADLINE_S = 30


@pytest.fixture(autouse=True)
def cheap_passwords(settings: Any) -> None:
    """Hashing a password for real takes longer than most tests."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """A page that one test asked for in Chinese must not change what the next one reads."""
    with translation.override("en"):
        yield


@pytest.fixture(autouse=True)
def nothing_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test could not write to the work Redis is not the next one's."""
    monkeypatch.setattr(projection, "_missed", threading.Event())


@pytest.fixture
def cell() -> Callable[[str, str], str]:
    """`cell(page, "units")`: what the first row of a list of the admin says in this column."""

    def read(page: str, column: str) -> str:
        pattern = rf'<t[dh] class="[^"]*\bfield-{column}\b[^"]*"[^>]*>(.*?)</t[dh]>'
        found = re.search(pattern, page, re.DOTALL)
        return found[1].strip() if found else f"there is no column {column}"

    return read


@pytest.fixture
def now() -> datetime:
    """The clock of a test stands still."""
    return datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def merchant(db: None) -> Merchant:
    """A shop without keys."""
    return Merchant.objects.create(slug="shop", name="Shop")


@pytest.fixture
def draft(merchant: Merchant, now: datetime) -> Campaign:
    """A draft that starts in an hour and lasts another, with one item of ten units."""
    return campaigns.create_draft(
        merchant,
        slug="spring",
        title="Spring",
        starts_at=now + timedelta(hours=1),
        ends_at=now + timedelta(hours=2),
        items=[{"sku": "TEA", "title": "Tea", "units": 10, "price_minor": 1999}],
    )


@pytest.fixture
def approved(draft: Campaign, now: datetime) -> Campaign:
    """The draft, approved."""
    return campaigns.approve(draft, by=None, now=now)


@pytest.fixture
def item(approved: Campaign) -> Item:
    """An item whose pool is open."""
    return approved.items.get()


@pytest.fixture
def open_epoch(item: Item) -> Callable[..., Allocation]:
    """A builder: `open_epoch(shard=1, units=4)` opens the shard's next epoch with units."""

    def build(shard: int = 0, units: int = 0, source: str = "", of: Item = item) -> Allocation:
        known = Allocation.objects.filter(item=of, shard=shard).values_list("epoch", flat=True)
        last = max(known, default=0)
        source = source or inventory.current_source()[0]
        opened = inventory.open_epoch(of.pk, shard, after=last, epoch=last + 1, source=source)
        assert opened is not None
        if units:
            inventory.begin_grant(opened.pk, units)
            opened.refresh_from_db()
        return opened

    return build


@pytest.fixture
def drain() -> Callable[..., Rearm]:
    """Fence an epoch and bring it to the stage from which it can be closed."""

    def build(allocation: Allocation, mode: str = "full") -> Rearm:
        rearm = inventory.begin_rearm(allocation.pk, mode, "test")
        assert inventory.advance(rearm.pk, "fenced", "disarmed")
        assert inventory.advance(rearm.pk, "disarmed", "drained")
        assert inventory.advance(rearm.pk, "drained", "barrier_sent", partitions=1)
        return rearm

    return build


@pytest.fixture
def close(drain: Callable[..., Rearm]) -> Callable[..., int]:
    """End an epoch; returns the units that went back to the pool."""

    def build(allocation: Allocation) -> int:
        return inventory.close_epoch(drain(allocation).pk)

    return build


@pytest.fixture
def at_once() -> Callable[[Sequence[Callable[[], Any]]], list[Any]]:
    """Run callables in threads that start together; a result or the exception for each."""

    def run(calls: Sequence[Callable[[], Any]]) -> list[Any]:
        together = threading.Barrier(len(calls))

        def one(call: Callable[[], Any]) -> Any:
            together.wait(RACE_DEADLINE_S)
            try:
                return call()
            except Exception as error:  # noqa: BLE001  (the test looks at it)
                return error
            finally:
                connections.close_all()

        with ThreadPoolExecutor(len(calls)) as threads:
            futures = [threads.submit(one, call) for call in calls]
            return [future.result(RACE_DEADLINE_S) for future in futures]

    return run


def dsn(alias: str) -> str:
    """The address of the test's own database."""
    at = connections[alias].settings_dict
    user, password = quote(at["USER"]), quote(at["PASSWORD"])
    return f"postgresql://{user}:{password}@{at['HOST']}:{at['PORT']}/{at['NAME']}"


@pytest.fixture
def server(transactional_db: None) -> Iterator[str]:
    """The address of an ASGI server process on a port of its own, on the test's databases."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        environ = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "control_plane.config.settings",
            "SLUICE_SALE_DSN": dsn("default"),
            "SLUICE_INVENTORY_DSN": dsn("inventory"),
        }
        application = "control_plane.config.asgi:application"
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", application, "--fd", str(listening.fileno())],
            pass_fds=[listening.fileno()],
            cwd=ROOT,
            env=environ,
        )
        host, port = listening.getsockname()
        yield f"http://{host}:{port}"
        process.terminate()
        process.wait(RACE_DEADLINE_S)
