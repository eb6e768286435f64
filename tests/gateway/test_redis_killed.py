"""A stock Redis that goes away, comes back, or refuses. The answer is busy, never sold_out."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Item, Shop
from tests.redis.server import StockServer
from tests.redis.waiting import until


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StockServer]:
    """A Redis of this file alone, since it is killed here."""
    node = StockServer(tmp_path_factory.mktemp("stock") / "node")
    node.start()
    node.own_all_slots()
    yield node
    node.stop()


@contextmanager
def killed(stock: StockServer) -> Iterator[None]:
    """Inside it is gone; afterwards it is back with its data and serves its slots."""
    stock.kill()
    try:
        yield
    finally:
        stock.start()
    until(stock.is_whole, "Redis serves its slots again")


def test_while_it_is_gone_everybody_is_busy_and_afterwards_nothing_is_missing(
    shop: Shop, stock: StockServer
) -> None:
    item = shop.put_up(units=5)
    reservation_id = item.buy("ann").json["reservation_id"]
    before = item.shard.everything()
    with killed(stock):
        # The first may have been written into a connection that was dying.
        assert item.buy("bob").outcome in {"busy", "pending"}
        for shopper in ("cem", "dee", "eve"):
            assert_refused(item.buy(shopper), "busy")
        assert_refused(item.status(reservation_id), "busy")
        assert_refused(item.status(reservation_id, "bob"), "busy")
        assert_refused(item.status(f"{item.id}-0-{'a' * 22}"), "busy")
        assert shop.gateway.get("/readyz").status == 200
        shop.publish()
    assert item.shard.everything() == before
    assert item.knows(reservation_id, "ann") == "reserved"
    assert item.knows(reservation_id, "bob") == "not_found"


def test_after_a_restart_it_is_fenced_until_it_is_armed_again(
    shop: Shop, stock: StockServer
) -> None:
    item = shop.put_up(units=1)
    bought = item.buy("ann").json["reservation_id"]
    with killed(stock):
        pass  # nobody asks meanwhile: an idle connection must not be found dead by the next shopper
    with item.untouched():
        for _ in range(3):
            assert_refused(item.buy("bob"), "busy")  # and not sold_out, though it is empty
    assert item.knows(bought, "ann") == "reserved"
    # The script alone does not bring it back: the epoch belongs to the life before the restart.
    item.shard.load(item.shard.script)
    with item.untouched():
        assert_refused(item.buy("bob"), "busy")
    item.rearm(epoch=2, units=3)
    assert item.buy("ann").json["reservation_id"] == bought
    assert item.buy("bob").outcome == "reserved"


def assert_refused_soon(item: Item) -> None:
    """Busy, after the connections that were open have been found dead."""

    def busy() -> bool:
        answer = item.buy("zoe")
        assert answer.outcome in {"busy", "pending"}
        return answer.status == 503

    until(busy, "the gateway has noticed")


def test_a_key_of_the_wrong_type_is_pending_because_nobody_knows(
    shop: Shop, stock: StockServer
) -> None:
    item = shop.put_up(units=5)
    buyers = item.shard.shard.buyers
    shop.gateway.expected_errors.append("WRONGTYPE")
    with item.shard.replaced(buyers, "SET", buyers, "what is this"), item.untouched():
        assert item.buy("ann").outcome == "pending"
    assert item.buy("ann").outcome == "reserved"


def test_a_password_that_is_not_ours_any_more_is_busy(shop: Shop, stock: StockServer) -> None:
    item = shop.put_up(units=5)
    operator = stock.operator
    operator.execute_command("ACL", "SETUSER", "gateway", "off")
    operator.execute_command("CLIENT", "KILL", "USER", "gateway")
    with item.untouched():
        assert_refused_soon(item)
    operator.execute_command("ACL", "SETUSER", "gateway", "on")
    until(lambda: item.buy("ann").outcome == "reserved", "the gateway is let in again")
