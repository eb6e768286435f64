"""Words that every part of the model uses: messages, tags, and what can go wrong with a call."""

from typing import NamedTuple

# (shard, epoch): stands for the hash tag `{i7:s00:e1}`. The model has one item.
Tag = tuple[int, int]


class Intent(NamedTuple):
    """The Kafka value of one reservation."""

    rid: str
    shard: int
    epoch: int
    shopper: str
    qty: int

    @property
    def tag(self) -> Tag:
        """Whose unit it is."""
        return self.shard, self.epoch


class Barrier(NamedTuple):
    """Tells a consumer that nothing of an old epoch's outbox comes behind it in this partition."""

    rearm_id: int


Message = Intent | Barrier


class Trouble(Exception):
    """A call did not do what was wanted. Whoever called tries again later, from the rows."""


class Unreachable(Trouble):
    """Nothing was executed."""


class NoReplicas(Unreachable):
    """The master takes no writes while nobody copies it."""


class Unknown(Trouble):
    """A timeout: executed, not executed, or executed later."""


class Fenced(Trouble):
    """The shard's keys were not armed for this epoch by this life of this node."""


class NoScript(Fenced):
    """This life of the node does not know the epoch's reserve script."""


class Refused(Trouble):
    """PostgreSQL's rows do not allow it (any more); nothing was changed."""


class Violation(AssertionError):
    """What must always be true was not."""


def sha_of(tag: Tag) -> str:
    """The SHA-1 of the epoch's reserve script: tag and epoch are literals in it."""
    return f"sha-s{tag[0]}-e{tag[1]}"


def place_of(tag: Tag, groups: int) -> int:
    """The group that a tag's slot lies on: stands for CRC16 of the hash tag."""
    return sum(tag) % groups


def name_of(tag: Tag) -> str:
    """A tag as the trace shows it."""
    return f"s{tag[0]}:e{tag[1]}"
