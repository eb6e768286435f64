"""A purchase that succeeds, its repeats, and the shopper's limit."""

import pytest

from tests.gateway.client import Answer
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Item, Shop
from tests.redis.books import held_by
from workers.intent import decode
from workers.stock.outbox import request_of


def assert_reserved(answer: Answer, item: Item, qty: int = 1) -> str:
    """200 with exactly the fields of the contract; returns the reservation's id."""
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert "retry-after" not in answer.headers
    reservation_id = str(answer.json["reservation_id"])
    assert answer.json == {
        "outcome": "reserved",
        "reservation_id": reservation_id,
        "item": item.id,
        "qty": qty,
        "status_url": f"/v1/reservations/{reservation_id}",
    }
    return reservation_id


def test_a_shopper_buys_one(shop: Shop) -> None:
    item = shop.put_up(units=5)
    reservation_id = assert_reserved(item.buy("ann"), item)
    assert held_by(shop.stock.worker, item.shard.shard) == {"ann": [(reservation_id, 1)]}
    assert item.shard.books().avail == 4


def test_the_intent_is_what_the_order_consumer_reads(shop: Shop) -> None:
    item = shop.put_up(units=5, limit=5)
    reservation_id = assert_reserved(item.buy("ann:b.c_d-9", b'{"qty":3}'), item, qty=3)
    (intent,) = item.shard.intents()
    at_ms = intent.pop("at_ms")
    assert intent == {
        "reservation_id": reservation_id,
        "shopper": "ann:b.c_d-9",
        "qty": 3,
        "device": "device-0001",
        "level": "regular",
    }
    ((_, entry),) = shop.stock.worker.xrange(item.shard.shard.outbox)
    request = request_of(item.shard.shard, entry["lines"].encode())
    decoded = decode(request.value.encode())
    assert (decoded.reservation_id, decoded.qty, decoded.at_ms) == (reservation_id, 3, at_ms)


def test_a_retry_is_the_same_reservation(shop: Shop) -> None:
    item = shop.put_up(units=5)
    first = item.buy("ann")
    with item.untouched():
        again = item.buy("ann")
    assert (again.status, again.body) == (first.status, first.body)


def test_a_retry_with_its_idempotency_key_is_the_same_reservation(shop: Shop) -> None:
    item = shop.put_up(units=5, limit=2)
    one = assert_reserved(item.buy("ann", key="order-1"), item)
    two = assert_reserved(item.buy("ann", key="order-2"), item)
    assert one != two
    with item.untouched():
        assert assert_reserved(item.buy("ann", key="order-1"), item) == one
        assert assert_reserved(item.buy("ann", key="order-2"), item) == two


def test_a_retry_with_another_quantity_tells_the_stored_one(shop: Shop) -> None:
    item = shop.put_up(units=10, limit=5)
    one = assert_reserved(item.buy("ann", b'{"qty":2}'), item, qty=2)
    with item.untouched():
        assert assert_reserved(item.buy("ann", b'{"qty":4}'), item, qty=2) == one


def test_a_retry_with_a_new_token_is_the_same_reservation(shop: Shop) -> None:
    item = shop.put_up(units=5)
    one = assert_reserved(item.buy("ann"), item)
    token = item.token("ann", dev="another-device", lvl="vip", rs=90)
    other = item.buy("ann", headers={"Authorization": f"Bearer {token}"})
    assert assert_reserved(other, item) == one


def test_reservations_of_two_shoppers_differ(shop: Shop) -> None:
    item = shop.put_up(units=5)
    assert assert_reserved(item.buy("ann"), item) != assert_reserved(item.buy("bob"), item)


def test_reservations_of_two_items_differ(shop: Shop) -> None:
    one, two = shop.put_up(), shop.put_up()
    first, second = one.buy("ann").json, two.buy("ann").json
    assert first["reservation_id"].split("-", 2)[2] != second["reservation_id"].split("-", 2)[2]


@pytest.mark.parametrize(
    "body",
    [
        b'{"qty":1}',
        b' { "qty" : 1 } ',
        b'{"ticket":"a.b-c_d","qty":1}',
        b'{\n\t"qty":1,\r\n"ticket":"' + b"t" * 512 + b'"}',
    ],
)
def test_these_bodies_are_one_and_the_same_wish(shop: Shop, body: bytes) -> None:
    item = shop.put_up()
    assert_reserved(item.buy("ann", body), item)


def test_the_content_type_may_name_its_charset(shop: Shop) -> None:
    item = shop.put_up()
    answer = item.buy("ann", headers={"Content-Type": "application/json; charset=utf-8"})
    assert_reserved(answer, item)


def test_an_idempotency_key_may_have_64_characters(shop: Shop) -> None:
    item = shop.put_up()
    assert_reserved(item.buy("ann", key="aZ09_-" * 10 + "abcd"), item)


def test_another_order_at_the_limit_is_refused(shop: Shop) -> None:
    item = shop.put_up(units=5, limit=1)
    item.buy("ann", key="one")
    with item.untouched():
        assert_refused(item.buy("ann", key="two"), "limit_reached")


def test_more_than_the_limit_at_once_is_refused(shop: Shop) -> None:
    item = shop.put_up(units=50, limit=3)
    with item.untouched():
        assert_refused(item.buy("ann", b'{"qty":4}'), "limit_reached")
        assert_refused(item.buy("ann", b'{"qty":100}'), "limit_reached")
