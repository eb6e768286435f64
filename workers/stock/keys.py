"""Names of a shard's keys in the stock Redis: the table of `lua/README.md`, and nowhere else."""

from dataclasses import dataclass

# The stock cluster has one master here. Shards beyond masters × small k bring nothing: a Redis is
# one thread (DESIGN §5).
SHARDS_PER_ITEM = 1
RELAY_GROUP = "relay"


@dataclass(frozen=True, order=True)
class Shard:
    """One slice of an item's stock in one epoch; its keys share a hash tag, so slot and node."""

    item: int
    shard: int
    epoch: int

    @property
    def tag(self) -> str:
        """The hash tag with its braces, e.g. {i7:s00:e1}."""
        return f"{{i{self.item}:s{self.shard:02d}:e{self.epoch}}}"

    @property
    def ctl(self) -> str:
        """Hash: epoch, node, limit, armed_at_ms, sold_out."""
        return f"{self.tag}:ctl"

    @property
    def avail(self) -> str:
        """Integer: units free."""
        return f"{self.tag}:avail"

    @property
    def buyers(self) -> str:
        """Hash: shopper → reservations."""
        return f"{self.tag}:buyers"

    @property
    def outbox(self) -> str:
        """Stream: the intents of each batch."""
        return f"{self.tag}:outbox"

    @property
    def grants(self) -> str:
        """Hash: grant id → quantity."""
        return f"{self.tag}:grants"
