"""Replies that do not say "no", replies that break off, and replies that are somebody else's."""

import threading
import time
from pathlib import Path

import pytest

from tests.gateway.fake_redis import FakeRedis
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Shop
from tests.redis.waiting import until

FAKED = {
    b"-NOAUTH Authentication required.\r\n": "busy",
    b"-MASTERDOWN Link with MASTER is down\r\n": "busy",
    b"-ERR something new\r\n": "pending",
    b"-WRONGTYPE Operation against a key\r\n": "pending",
    b"": "pending",  # hangs up
    b"*2\r\n$1\r\nR\r\n": "pending",  # breaks off
    b"*2\r\n-ERR in the list\r\n$0\r\n\r\n": "pending",
    b"HTTP/1.1 400 Bad Request\r\n": "pending",
}


@pytest.mark.parametrize("reply", FAKED)
def test_what_is_not_known_to_be_a_refusal_is_pending(
    shop: Shop, tmp_path: Path, reply: bytes
) -> None:
    item = shop.put_up(units=5)
    with (
        FakeRedis().running() as fake,
        shop.before(tmp_path / "gateway", fake.address) as gateway,
    ):
        gateway.expected_errors.append("reserve call on")
        fake.said = reply
        assert item.buy("ann").outcome == FAKED[reply]


RESERVED = b"*2\r\n$1\r\nR\r\n$0\r\n\r\n"


def test_a_connection_with_something_unread_is_not_used_again(shop: Shop, tmp_path: Path) -> None:
    item = shop.put_up(units=5)
    with (
        FakeRedis().running() as fake,
        shop.before(tmp_path / "gateway", fake.address) as gateway,
    ):
        fake.said = RESERVED
        assert item.buy("ann").outcome == "reserved"
        # Somebody else's answer behind one's own: nobody may ever hear it.
        fake.said = RESERVED + b"*2\r\n$1\r\nS\r\n$0\r\n\r\n"
        assert item.buy("bob").outcome == "reserved"
        fake.said = RESERVED
        until(lambda: "connection not kept" in gateway.errors(), "the connection was closed")
        before = fake.connections
        assert item.buy("cem").outcome == "reserved"
        assert fake.connections == before + 1


def test_an_answer_that_came_too_late_is_nobodys(shop: Shop, tmp_path: Path) -> None:
    item = shop.put_up(units=5)
    with (
        FakeRedis().running() as fake,
        shop.before(tmp_path / "gateway", fake.address) as gateway,
    ):
        fake.said = RESERVED
        assert item.buy("ann").outcome == "reserved"
        before, too_late = fake.connections, threading.Event()
        fake.said, fake.rest = b"*2\r\n$1\r\n", (too_late, b"R\r\n$0\r\n\r\n")
        assert item.buy("bob").outcome == "pending"
        # Bob's patience ends with his place in the queue, a little before that with the connection.
        until(lambda: "no answer from" in gateway.errors(), "the connection was given up")
        fake.rest = None
        too_late.set()
        fake.said = b"*2\r\n$1\r\nL\r\n$0\r\n\r\n"
        assert_refused(item.buy("cem"), "limit_reached")
        assert fake.connections > before


def test_who_is_sent_round_in_circles_is_busy(shop: Shop, tmp_path: Path) -> None:
    item = shop.put_up(units=5)
    with (
        FakeRedis().running() as fake,
        shop.before(tmp_path / "gateway", fake.address),
    ):
        fake.said = f"-MOVED 7 {fake.address}\r\n".encode()
        assert_refused(item.buy("ann"), "busy")
        assert fake.asked.count("EVALSHA") == 2


@pytest.mark.parametrize(
    "reply",
    [b"", b"-CLUSTERDOWN Hash slot not served\r\n", b"-READONLY a replica\r\n"],
    ids=["hangs up", "CLUSTERDOWN", "READONLY"],
)
def test_the_map_is_read_again_after_what_a_failover_looks_like(
    shop: Shop, tmp_path: Path, reply: bytes
) -> None:
    item = shop.put_up(units=5)
    with FakeRedis().running() as fake, shop.before(tmp_path / "gateway", fake.address):
        fake.said = RESERVED
        assert item.buy("ann").outcome == "reserved"
        read_often_enough(fake)
        before, fake.said = fake.asked.count("CLUSTER"), reply
        item.buy("bob")
        until(lambda: fake.asked.count("CLUSTER") > before, "the map is read again")


def test_the_map_is_read_again_when_an_epoch_appears(shop: Shop, tmp_path: Path) -> None:
    item = shop.put_up(units=5)
    with FakeRedis().running() as fake, shop.before(tmp_path / "gateway", fake.address):
        fake.said = RESERVED
        assert item.buy("ann").outcome == "reserved"
        read_often_enough(fake)
        before = fake.asked.count("CLUSTER")
        shop.publish()  # nothing new for this item
        item.buy("bob")
        assert fake.asked.count("CLUSTER") == before
        item.rearm(epoch=2, units=3, carry_over=False)
        until(lambda: fake.asked.count("CLUSTER") > before, "the map is read again")


def read_often_enough(fake: FakeRedis) -> None:
    """Wait until the pause after the last reading of the map is over."""
    pause_s = 0.2
    until(lambda: time.monotonic() - fake.map_read_at > 2 * pause_s, "the map is not read now")
