"""A stock Redis that keeps its connections and answers nothing: SIGSTOP, or a stalled disk."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.gateway.client import Answer
from tests.gateway.conftest import Settings
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import SWITCHES, Item, Shop
from tests.redis.server import StockServer
from tests.redis.waiting import until


@pytest.fixture(scope="module")
def settings() -> Settings:
    """Not long, since every case waits for it; long enough for a busy disk."""
    return {"SLUICE_RESERVE_TIMEOUT_MS": "800"}


@pytest.fixture
def item(shop: Shop) -> Item:
    """An item whose shard the gateway has an open connection to."""
    item = shop.put_up(units=20)
    assert item.buy("warm").outcome == "reserved"
    return item


@contextmanager
def frozen(stock: StockServer) -> Iterator[None]:
    """Nothing inside is answered."""
    stock.freeze()
    try:
        yield
    finally:
        stock.thaw()


def assert_pending(answer: Answer, item: Item) -> str:
    """202 with exactly the fields of the contract; returns the reservation's id."""
    assert answer.status == 202, answer
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    document = answer.json
    reservation_id = str(document["reservation_id"])
    assert reservation_id.startswith(f"{item.id}-0-")
    assert document == {
        "outcome": "pending",
        "reservation_id": reservation_id,
        "status_url": f"/v1/reservations/{reservation_id}",
        "retry_after_ms": 500,
    }
    assert answer.headers["retry-after"] == "1"
    return reservation_id


def answer_of(item: Item, outcome: str) -> Answer | None:
    """Ann's next answer, if it is this one."""
    answer = item.buy("ann")
    return answer if answer.outcome == outcome else None


def test_an_unanswered_purchase_is_pending_and_its_status_tells_the_truth(
    stock: StockServer, item: Item
) -> None:
    with frozen(stock):
        reservation_id = assert_pending(item.buy("ann"), item)
        assert_refused(item.status(reservation_id), "busy")
    assert item.knows(reservation_id, "ann") == "reserved"
    with item.untouched():
        again = item.buy("ann")
    assert (again.outcome, again.json["reservation_id"]) == ("reserved", reservation_id)
    assert item.shard.books().sold == 2


def test_a_retry_while_it_is_frozen_is_not_a_second_reservation(
    stock: StockServer, item: Item
) -> None:
    with frozen(stock):
        reservation_id = assert_pending(item.buy("ann"), item)
        assert item.buy("ann").outcome in {"busy", "pending"}
    again = until(lambda: answer_of(item, "reserved"), "the node is no longer left alone")
    assert again and again.json["reservation_id"] == reservation_id
    assert item.shard.books().sold == 2


def test_what_was_not_sent_is_busy_and_is_never_carried_out(
    shop: Shop, stock: StockServer, item: Item
) -> None:
    with frozen(stock):
        sent = item.send("ann")
        until(lambda: shop.gateway.has_read(1), "the first request has gone out")
        waiting = {shopper: item.send(shopper) for shopper in ("bob", "cem", "dee")}
        assert_pending(sent.answer(), item)
        told = {shopper: request.answer() for shopper, request in waiting.items()}
    # On a slow machine one may still be sent when the first call is given up; then nobody knows.
    unknown = {shopper for shopper, answer in told.items() if answer.outcome == "pending"}
    assert len(unknown) < len(told)
    for shopper in told.keys() - unknown:
        assert_refused(told[shopper], "busy")
    # Whatever the gateway still had to say to Redis, it says before this one.
    until(lambda: item.buy("eve").outcome == "reserved", "Redis is back")
    sold = {intent["shopper"] for intent in item.shard.intents()}
    assert {"warm", "ann", "eve"} <= sold <= {"warm", "ann", "eve"} | unknown


def test_a_request_that_comes_while_it_is_frozen_is_refused_or_pending_never_sold_out(
    stock: StockServer, item: Item
) -> None:
    with frozen(stock):
        requests = [item.send(f"s{n}") for n in range(10)]
        outcomes = [request.answer().outcome for request in requests]
    assert set(outcomes) <= {"pending", "busy"}


def test_a_short_stall_is_not_noticed(shop: Shop, stock: StockServer, item: Item) -> None:
    with frozen(stock):
        requests = [item.send(f"s{n}") for n in range(5)]
        until(lambda: shop.gateway.has_read(5), "all requests wait")
    assert [request.answer().outcome for request in requests] == ["reserved"] * 5


def test_nothing_but_purchases_waits_for_it(shop: Shop, stock: StockServer, item: Item) -> None:
    with frozen(stock):
        assert shop.gateway.get("/healthz").status == 200
        assert shop.gateway.get("/readyz").status == 200
        assert shop.gateway.get(f"/v1/campaigns/campaign-{item.id}").status == 200
        assert_refused(item.buy("ann", b"{}"), "bad_request")
        assert_refused(item.buy("ann", headers={"Authorization": "no"}), "bad_token")
        shop.publish(switches=SWITCHES | {"sale_enabled": False})
        assert_refused(item.buy("ann"), "busy")
        shop.publish(switches=SWITCHES)
