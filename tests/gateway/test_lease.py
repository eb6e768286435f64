"""The lease: who has not heard of the control plane for too long may be selling from the past."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.conftest import Settings
from tests.gateway.control_plane import envelope
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Item, Shop, listed
from tests.redis.waiting import until

# Shorter than DESIGN §5's two seconds, since every case waits for it; the poll takes half a second.
LEASE_MS = 1500


@pytest.fixture(scope="module")
def settings() -> Settings:
    """Without a lease it does not sell."""
    return {"SLUICE_WITHOUT_LEASE": "refuse", "SLUICE_RESERVE_TIMEOUT_MS": "12000"}


@pytest.fixture
def item(shop: Shop) -> Item:
    """An item on sale."""
    shop.document["stock"] = {"source": "primary", "generation": 0, "lease_ms": LEASE_MS}
    return shop.put_up(units=50)


@pytest.fixture
def silence(shop: Shop, item: Item) -> Iterator[None]:
    """The control plane has said nothing for longer than a lease."""
    assert item.buy("warm").outcome == "reserved"
    shop.plane.stop()
    until(lambda: heard_ago_ms(shop) > LEASE_MS, "the lease is over")
    yield
    shop.plane.start()
    until(lambda: heard_ago_ms(shop) < LEASE_MS, "it hears again")


def heard_ago_ms(shop: Shop) -> float:
    """As the gateway tells operators."""
    return shop.gateway.metrics()["sluice_gateway_control_plane_silence_seconds", ""] * 1000


def test_as_long_as_it_hears_it_sells(shop: Shop, item: Item) -> None:
    polls = len(shop.plane.polls)
    outcomes = set()
    while len(shop.plane.polls) < polls + 6:  # longer than a lease
        outcomes.add(item.buy("ann").outcome)
        assert heard_ago_ms(shop) < LEASE_MS
    assert outcomes == {"reserved"}


def test_it_asks_more_than_once_a_second(shop: Shop) -> None:
    waits = shop.plane.waits_ms
    assert waits and max(waits) <= 1000


@pytest.mark.usefixtures("silence")
def test_without_a_lease_it_is_busy_and_says_nothing_untrue(shop: Shop, item: Item) -> None:
    with item.untouched():
        for shopper in ("ann", "bob"):
            assert_refused(item.buy(shopper), "busy")
    assert shop.gateway.get("/readyz").status == 200


def test_when_it_hears_again_it_sells_again(shop: Shop, item: Item) -> None:
    assert item.buy("ann").outcome == "reserved"
    shop.plane.stop()
    until(lambda: item.buy("bob").outcome == "busy", "the lease is over", pause_s=0.1)
    shop.plane.start()
    until(lambda: item.buy("cem").outcome == "reserved", "it sells again")


def test_a_control_plane_that_hangs_is_one_that_says_nothing(shop: Shop, item: Item) -> None:
    with shop.plane.hanging():
        until(lambda: heard_ago_ms(shop) > LEASE_MS, "the lease is over")
        with item.untouched():
            assert_refused(item.buy("ann"), "busy")
    until(lambda: item.buy("ann").outcome == "reserved", "it sells again")


def test_what_waits_while_the_lease_ends_is_not_sent_any_more(shop: Shop, item: Item) -> None:
    assert item.buy("warm").outcome == "reserved"
    shop.stock.freeze()
    shop.plane.stop()
    try:
        sent = item.send("ann")
        until(lambda: shop.gateway.has_read(1), "the first request has gone out")
        waiting = [item.send(name) for name in ("bob", "cem")]
        until(lambda: heard_ago_ms(shop) > LEASE_MS, "the lease is over")
    finally:
        shop.stock.thaw()
    assert sent.answer().outcome == "reserved"
    for request in waiting:
        assert_refused(request.answer(), "busy")
    shop.plane.start()
    until(lambda: item.buy("dee").outcome == "reserved", "it sells again")
    assert {one["shopper"] for one in item.shard.intents()} == {"warm", "ann", "dee"}


def test_a_gateway_that_starts_without_a_control_plane_has_no_lease(
    shop: Shop, item: Item, tmp_path: Path
) -> None:
    (tmp_path / "snapshot.json").write_bytes(envelope(shop.document))
    nobody = {"SLUICE_CONTROL_PLANE_URL": "http://127.0.0.1:1"}
    with shop.before(tmp_path, shop.stock.address, **nobody), item.untouched():
        assert_refused(item.buy("ann"), "busy")
    (tmp_path / "snapshot.json").write_bytes(envelope(shop.document))
    with shop.before(tmp_path, shop.stock.address, **nobody, SLUICE_WITHOUT_LEASE="sell"):
        assert item.buy("ann").outcome == "reserved"


def test_a_snapshot_that_is_refused_is_not_heard(shop: Shop, item: Item) -> None:
    shop.plane.publish_bytes(shop.document["version"] + 1, b"garbage")
    until(lambda: heard_ago_ms(shop) > LEASE_MS, "the lease is over")
    assert_refused(item.buy("ann"), "busy")
    shop.next_version()
    shop.publish()
    until(lambda: item.buy("ann").outcome == "reserved", "it sells again")


def test_the_database_needs_no_lease(shop: Shop, item: Item) -> None:
    shop.plane.database.sell(item.id, 0, 2, units=5)
    shop.document["stock"] = {"source": "database", "generation": 1, "lease_ms": LEASE_MS}
    shop.change(item, shards=[listed(0, 2, "", "database")])
    with shop.plane.silent_channel():
        until(lambda: heard_ago_ms(shop) > LEASE_MS, "the lease is over")
        assert item.buy("ann").outcome == "reserved"
    shop.document["stock"] = {"source": "primary", "generation": 2, "lease_ms": LEASE_MS}
    shop.publish()
