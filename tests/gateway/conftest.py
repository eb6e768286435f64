"""A private gateway for each file of cases, on a private Redis pair and snapshot channel.

A file that needs other settings, another number of workers or a Redis that it may break overrides
`settings`, `workers` or `stock`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.control_plane import ControlPlane
from tests.gateway.gateway import Gateway
from tests.gateway.shop import Shop
from tests.gateway.work_redis import WorkRedis
from tests.redis.server import StockServer

Settings = dict[str, str | None]


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StockServer]:
    """A stock Redis that owns all slots."""
    node = StockServer(tmp_path_factory.mktemp("stock") / "node")
    node.start()
    node.own_all_slots()
    yield node
    node.stop()


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkRedis]:
    """A work Redis."""
    node = WorkRedis(tmp_path_factory.mktemp("work"))
    node.start()
    yield node
    node.stop()


@pytest.fixture(scope="module")
def settings() -> Settings:
    """SLUICE_* of this file's gateway that differ from tests.gateway.gateway.SETTINGS."""
    return {}


@pytest.fixture(scope="module")
def workers() -> int:
    """nginx workers of this file's gateway."""
    return 1


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """The snapshot channel of this file."""
    plane = ControlPlane()
    plane.start()
    yield plane
    plane.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this file's gateway has its state."""
    return tmp_path_factory.mktemp("gateway")


@pytest.fixture(scope="module")
def module_shop(
    folder: Path,
    settings: Settings,
    workers: int,
    plane: ControlPlane,
    stock: StockServer,
    work: WorkRedis,
) -> Iterator[Shop]:
    """The running gateway; use `shop`."""
    addresses: Settings = {
        "SLUICE_STOCK_REDIS": stock.address,
        "SLUICE_WORK_REDIS_URL": work.url,
        "SLUICE_CONTROL_PLANE_URL": plane.url,
    }
    gateway = Gateway(folder, addresses | settings, workers)
    gateway.start()
    yield Shop(plane, gateway, stock)
    gateway.stop()
    assert gateway.unexpected_errors() == []


@pytest.fixture
def shop(module_shop: Shop) -> Iterator[Shop]:
    """This file's shop. After each case the books of all its items must balance."""
    module_shop.items.clear()
    yield module_shop
    for item in module_shop.items:
        assert item.shard.faults() == [], item.id
