"""A sale in a private stock Redis, the workers around it, and a worker that dies."""

import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from control_plane.campaigns import services as campaigns
from control_plane.campaigns.models import Item
from control_plane.merchants.models import Merchant
from tests.race.sale import DEADLINE_S, SHARDS, UNITS, Sale
from tests.race.stock_disk import StockDisk
from tests.redis.server import PASSWORDS
from workers.tests import running
from workers.tests.broker import Broker
from workers.tests.conftest import FIRST_TEST_ITEM, broker, env

__all__ = ["broker", "env"]

Environment = Callable[[], dict[str, str]]


class Victim:
    """A process that is going to kill itself."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def must_die(self) -> None:
        """Wait until it has; its log, when it has not or not so."""
        try:
            _, log = self.process.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            log = f"it did not reach its point:\n{self.process.communicate()[1]}"
        assert self.process.returncode == -signal.SIGKILL and "did not reach" not in log, log


@pytest.fixture(scope="session")
def stock_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StockDisk]:
    """One private Redis for all tests of this folder; each has an item of its own in it."""
    disk = StockDisk(tmp_path_factory.mktemp("stock"))
    disk.start()
    yield disk
    disk.server.stop()


@pytest.fixture
def disk(stock_disk: StockDisk) -> StockDisk:
    """The private Redis; what it is rolled back to is at least the beginning of this test."""
    stock_disk.remember()
    return stock_disk


@pytest.fixture
def environ(broker: Broker, disk: StockDisk) -> Environment:
    """Makes the environment of a worker that works in the test's databases, topics and Redis."""

    def make() -> dict[str, str]:
        made = running.environment(
            broker.names,
            SLUICE_STOCK_REDIS=disk.server.address,
            SLUICE_STOCK_REDIS_USER="worker",
            SLUICE_STOCK_REDIS_PASSWORD=PASSWORDS["worker"],
        )
        # The standby of the running stack has other passwords, and no part in this.
        made.pop("SLUICE_STOCK_STANDBY_REDIS", None)
        return made

    return make


@pytest.fixture
def healthy(environ: Environment) -> Callable[[Sequence[str]], AbstractContextManager[None]]:
    """A context in which these workers run; each must end well at its end."""

    @contextmanager
    def run(names: Sequence[str]) -> Iterator[None]:
        with ExitStack() as stack:
            for name in names:
                stack.enter_context(running.as_process(f"workers.{name}", environ()))
            yield

    return run


@pytest.fixture
def victim(environ: Environment) -> Iterator[Callable[..., Victim]]:
    """Start the process that dies at a point."""
    started: list[Victim] = []

    def start(point: str, **variables: str) -> Victim:
        process = running.start("tests.race.crash_at", environ() | variables, point)
        started.append(Victim(process))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()


@pytest.fixture
def expire(environ: Environment) -> Callable[[], None]:
    """Run the expiry task once, in a process of its own."""

    def run() -> None:
        process = running.start("tests.race.expiry", environ())
        _, log = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0, log

    return run


@pytest.fixture
def sale(transactional_db: None, disk: StockDisk) -> Sale:
    """A live campaign of one item, of which nothing is armed yet."""
    now = datetime.now(UTC)
    earlier = now - timedelta(minutes=1)
    fields = {"sku": "TEA", "title": "Tea", "units": UNITS, "price_minor": 1999}
    draft = campaigns.create_draft(
        Merchant.objects.create(slug="shop", name="Shop"),
        slug="spring",
        title="Spring",
        starts_at=earlier + timedelta(seconds=1),
        ends_at=now + timedelta(hours=1),
        items=[fields | {"id": _next_item()}],
    )
    campaigns.approve(draft, by=None, now=earlier)
    Item.objects.update(shards=SHARDS)
    campaigns.open_due(now)
    return Sale(Item.objects.get().pk, disk)


_used: list[int] = []


def _next_item() -> int:
    """Keys of an earlier test's item are still in the Redis."""
    _used.append(FIRST_TEST_ITEM + len(_used))
    return _used[-1]
