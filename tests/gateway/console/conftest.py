"""A gateway with its console, in front of a control plane that records what reaches it."""

import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.gateway.client import TIMEOUT_S, Answer, Headers, Pending
from tests.gateway.conftest import Settings
from tests.gateway.console.pages import Green, Pages
from tests.gateway.control_plane import ControlPlane
from tests.gateway.gateway import Gateway
from tests.gateway.shop import Shop
from tests.gateway.work_redis import WorkRedis
from tests.redis.server import StockServer
from tests.redis.waiting import until

# Below what gateway/console.lua lets in, of all and of one address.
MOST_PER_S = 150


class Console:
    """A visitor's side of a console. He comes from another address each time, unless told."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.gateway = shop, shop.gateway
        self._asked = 0
        self._second, self._in_second = 0, 0

    @property
    def blue(self) -> Pages:
        """What the version that everybody had so far was asked."""
        return self.shop.plane.pages

    def ask(
        self,
        method: str,
        path: str,
        headers: Headers | None = None,
        body: bytes | None = None,
        address: str | None = None,
    ) -> Answer:
        """One request on a connection of its own."""
        self._pace()
        self._asked += 1
        source = address or f"127.0.{self._asked // 200 % 200 + 1}.{self._asked % 200 + 1}"
        port = self.gateway.console_port
        connection = HTTPConnection("127.0.0.1", port, TIMEOUT_S, source_address=(source, 0))
        connection.request(method, path, body, dict(headers or {}))
        return Pending(connection).answer()

    def get(self, path: str, headers: Headers | None = None) -> Answer:
        """GET from another address."""
        return self.ask("GET", path, headers)

    def _pace(self) -> None:
        now = int(time.time())
        if now != self._second:
            self._second, self._in_second = now, 0
        self._in_second += 1
        if self._in_second > MOST_PER_S:
            until(lambda: int(time.time()) != now, "the next second")


@pytest.fixture(scope="module")
def green() -> Iterator[Green]:
    """The next version of the control plane."""
    green = Green()
    green.start()
    yield green
    green.stop()


@pytest.fixture(scope="module")
def module_console(
    folder: Path,
    settings: Settings,
    workers: int,
    plane: ControlPlane,
    stock: StockServer,
    work: WorkRedis,
    green: Green,
) -> Iterator[Console]:
    """The running gateway; use `console`."""
    addresses: Settings = {
        "SLUICE_STOCK_REDIS": stock.address,
        "SLUICE_WORK_REDIS_URL": work.url,
        "SLUICE_CONTROL_PLANE_URL": plane.url,
        "SLUICE_CONTROL_PLANE_GREEN_URL": green.url,
    }
    gateway = Gateway(folder, addresses | settings, workers, has_console=True)
    gateway.start()
    shop = Shop(plane, gateway, stock)
    shop.publish()
    yield Console(shop)
    gateway.stop()
    assert gateway.unexpected_errors() == []


@pytest.fixture
def console(module_console: Console, green: Green) -> Console:
    """This file's console; nothing has reached either version yet."""
    for pages in (module_console.blue, green.pages):
        pages.seen.clear()
        pages.status, pages.probe_status = 200, None
        pages.headers, pages.hangs_up = {}, False
    return module_console
