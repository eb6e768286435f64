"""A stock cluster of three masters, shards on each, and shoppers who are at home in them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

from tests.gateway.client import Pending
from tests.redis.armed_shard import ArmedShard
from tests.redis.server import StockServer
from tests.redis.waiting import until
from workers.stock.keys import Shard, slot_of

SLOTS = 16_384
BOUNDS = [(0, 5460), (5461, 10922), (10923, SLOTS - 1)]


@contextmanager
def three_masters(folder: Path) -> Iterator[list[StockServer]]:
    """A cluster of three masters, a third of the slots each."""
    nodes = [StockServer(folder / f"node{n}") for n in range(3)]
    for node, (first, last) in zip(nodes, BOUNDS, strict=True):
        node.start()
        node.operator.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
    for place, node in enumerate(nodes[1:], 1):
        # Two nodes that are told the same first number cannot both keep it.
        node.operator.execute_command("CLUSTER", "SET-CONFIG-EPOCH", place + 1)
        nodes[0].meet(node)
    for node in nodes:
        until(node.is_whole, "every master sees the whole cluster")
    yield nodes
    for node in nodes:
        node.stop()


def epoch_on(master: int, item: int, shard: int, after: int = 0) -> int:
    """The next epoch whose slot lies on a master, as the stock agent chooses it."""
    epoch = after + 1
    while not BOUNDS[master][0] <= slot_of(Shard(item, shard, epoch).tag) <= BOUNDS[master][1]:
        epoch += 1
    return epoch


def arm(
    masters: list[StockServer], master: int, item: int, shard: int, after: int = 0
) -> ArmedShard:
    """Arm a shard on one of the masters and give it units."""
    epoch = epoch_on(master, item, shard, after)
    armed = ArmedShard(masters[master], Shard(item, shard, epoch), limit=1)
    armed.arm()
    armed.grant(1000)
    return armed


def home(shopper: str) -> int:
    """His shard, and here also his master."""
    return crc32(shopper.encode()) % 3


def shoppers(shards: set[int], count: int, prefix: str = "s") -> list[str]:
    """As many who are at home in these shards."""
    names = (f"{prefix}{n}" for n in range(100_000))
    return [name for name in names if home(name) in shards][:count]


@contextmanager
def frozen(node: StockServer) -> Iterator[None]:
    """Nothing inside is answered by it."""
    node.freeze()
    try:
        yield
    finally:
        node.thaw()


def outcomes(requests: list[Pending]) -> list[str]:
    """What they were told."""
    return [request.answer().outcome for request in requests]
