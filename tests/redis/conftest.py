"""One private Redis for the whole run; each case has an item of its own on it."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from tests.redis.armed_shard import ArmedShard
from tests.redis.server import StockServer
from workers.stock.keys import Shard

_items = count(1)

Arm = Callable[..., ArmedShard]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StockServer]:
    """A node that owns all slots."""
    node = StockServer(tmp_path_factory.mktemp("stock") / "node")
    node.start()
    node.own_all_slots()
    yield node
    node.stop()


@pytest.fixture
def unused_item() -> int:
    """The number of an item that no other case has."""
    return next(_items)


@pytest.fixture
def arm_unchecked(server: StockServer) -> Arm:
    """Arms shards whose books are the case's own affair."""

    def new(units: int = 10, limit: int = 1) -> ArmedShard:
        shard = ArmedShard(server, Shard(item=next(_items), shard=0, epoch=1), limit)
        assert shard.arm() == "armed"
        if units:
            shard.grant(units)
        return shard

    return new


@pytest.fixture
def arm(arm_unchecked: Arm) -> Iterator[Arm]:
    """Arms shards of new items. After the case the books of each must balance."""
    armed = []

    def new(units: int = 10, limit: int = 1) -> ArmedShard:
        armed.append(arm_unchecked(units, limit))
        return armed[-1]

    yield new
    for shard in armed:
        assert shard.faults() == []
