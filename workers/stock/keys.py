"""Names of a shard's keys in the stock Redis: the table of `lua/README.md`, and nowhere else."""

from dataclasses import dataclass

from redis.crc import key_slot

RELAY_GROUP = "relay"


@dataclass(frozen=True, order=True)
class Shard:
    """One slice of an item's stock in one epoch; its keys share a hash tag, so slot and node.

    `source` names the stock cluster that has them: `primary` or `standby`. An epoch of the source
    `database` has no keys.
    """

    item: int
    shard: int
    epoch: int
    source: str = "primary"

    @property
    def tag(self) -> str:
        """The hash tag with its braces, e.g. {i7:s00:e1}."""
        return f"{{i{self.item}:s{self.shard:02d}:e{self.epoch}}}"

    @property
    def ctl(self) -> str:
        """Hash: the control record, see `lua/README.md`."""
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

    @property
    def reclaims(self) -> str:
        """Hash: reclaim id → quantity taken."""
        return f"{self.tag}:reclaims"

    @property
    def bans(self) -> str:
        """Hash: shopper → end of his ban in ms."""
        return f"{self.tag}:bans"

    @property
    def keys(self) -> list[str]:
        """All of them, the control record first."""
        return [
            *(self.ctl, self.avail, self.buyers, self.outbox),
            *(self.grants, self.reclaims, self.bans),
        ]


def slot_of(tag: str) -> int:
    """The cluster slot of a hash tag with its braces, as `Shard.tag` has it."""
    return int(key_slot(tag.encode()))
