"""A reply that nobody can read ends one epoch, not the agent's round."""

from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from workers.runtime.verdicts import Unavailable
from workers.stock import shard as shards
from workers.stock.cluster import ShardFenced
from workers.stock.keys import Shard

SHARD = Shard(7, 1, 2)
SPOILT = [None, [], b"", [None], [b"granted", None], [1, 2, b"many", b""]]


class Cluster:
    """Whatever is called, this is what it answers."""

    def __init__(self, reply):
        self.run = lambda *_: reply
        self.node_of = lambda _: SimpleNamespace(hscan=lambda *_, **__: (0, reply))


@pytest.mark.parametrize("reply", SPOILT)
def test_a_spoilt_reply_fences_its_shard(reply):
    cluster = cast(Any, Cluster(reply))
    for call in (
        lambda: shards.grant(cluster, SHARD, UUID(int=1), 5),
        lambda: shards.reclaim(cluster, SHARD, UUID(int=1), 5, 0),
        lambda: shards.inspect(cluster, SHARD),
    ):
        with pytest.raises(ShardFenced):
            call()


@pytest.mark.parametrize("reply", SPOILT)
def test_a_look_at_it_shows_a_fault(reply):
    state = shards._state(SHARD, reply, 1_000, True, True)
    assert state.fault


@pytest.mark.parametrize("value", [b"", b"r1", b"r1=", b"r1=x", b"\xff=1"])
def test_a_spoilt_buyer_of_an_old_epoch_waits_for_its_end(value):
    """To fence the new epoch for it would open new ones for ever."""
    with pytest.raises(Unavailable):
        list(shards.buyers_of(cast(Any, Cluster({b"shopper": value})), SHARD))
