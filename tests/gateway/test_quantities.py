"""More than one unit: limits above one, several reservations, idempotency keys, all or nothing."""

from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Item, Shop
from tests.gateway.test_reserved import assert_reserved
from tests.redis.books import held_by
from tests.redis.waiting import until
from workers.stock import scripts


def body(qty: int) -> bytes:
    """A wish for so many."""
    return f'{{"qty":{qty}}}'.encode()


def held(item: Item, shopper: str = "ann") -> list[int]:
    """Quantities of a shopper's reservations."""
    stored = held_by(item.shop.stock.worker, item.shard.shard)
    return [qty for _, qty in stored.get(shopper, [])]


def test_several_reservations_up_to_the_limit(shop: Shop) -> None:
    item = shop.put_up(units=20, limit=5)
    ids = {assert_reserved(item.buy("ann", body(2), key=f"k{n}"), item, qty=2) for n in range(2)}
    with item.untouched():
        assert_refused(item.buy("ann", body(2), key="k2"), "limit_reached")
    ids.add(assert_reserved(item.buy("ann", body(1), key="k3"), item))
    with item.untouched():
        assert_refused(item.buy("ann", body(1), key="k4"), "limit_reached")
    assert len(ids) == 3
    assert held(item) == [2, 2, 1]


def test_the_same_key_with_another_quantity_is_the_first_answer(shop: Shop) -> None:
    item = shop.put_up(units=20, limit=10)
    first = item.buy("ann", body(3), key="k")
    with item.untouched():
        for qty in (1, 3, 7, 10, 11):
            again = item.buy("ann", body(qty), key="k")
            assert (again.status, again.body) == (first.status, first.body)


def test_the_same_key_is_another_purchase_of_another_shopper(shop: Shop) -> None:
    item = shop.put_up(units=20, limit=3)
    one = assert_reserved(item.buy("ann", body(3), key="k"), item, qty=3)
    assert one != assert_reserved(item.buy("bob", body(2), key="k"), item, qty=2)


def test_a_key_whose_purchase_was_refused_is_free_to_be_used_with_less(shop: Shop) -> None:
    item = shop.put_up(units=2, limit=3)
    with item.untouched():
        assert_refused(item.buy("ann", body(3), key="k"), "busy")
    assert_reserved(item.buy("ann", body(2), key="k"), item, qty=2)


def test_who_sends_one_key_many_times_at_once_has_one_reservation(shop: Shop) -> None:
    item = shop.put_up(units=50, limit=20)
    shop.stock.freeze()
    requests = [item.send("ann", body(1 + n % 4), key="k") for n in range(12)]
    until(lambda: shop.gateway.has_read(12), "all wait in the gateway")
    shop.stock.thaw()
    answers = [request.answer() for request in requests]
    assert {(answer.status, answer.body) for answer in answers} == {(200, answers[0].body)}
    assert held(item) == [answers[0].json["qty"]]


def test_who_sends_many_keys_at_once_gets_whole_reservations_up_to_his_limit(shop: Shop) -> None:
    item = shop.put_up(units=50, limit=7)
    shop.stock.freeze()
    requests = [item.send("ann", body(2), key=f"k{n}") for n in range(10)]
    until(lambda: shop.gateway.has_read(10), "all wait in the gateway")
    shop.stock.thaw()
    told = [request.answer().outcome for request in requests]
    assert (told.count("reserved"), told.count("limit_reached")) == (3, 7)
    assert held(item) == [2, 2, 2]


def test_the_last_units_go_to_whole_orders_only(shop: Shop) -> None:
    item = shop.put_up(units=10, limit=3)
    shop.stock.freeze()
    requests = [item.send(f"s{n}", body(3)) for n in range(8)]
    until(lambda: shop.gateway.has_read(8), "all wait in the gateway")
    shop.stock.thaw()
    answers = [request.answer() for request in requests]
    won = [answer for answer in answers if answer.outcome == "reserved"]
    assert [answer.json["qty"] for answer in won] == [3, 3, 3]
    for answer in answers:
        if answer not in won:
            assert_refused(answer, "busy")
    assert item.shard.books().avail == 1


def test_fewer_left_than_asked_for_says_so_and_not_how_many(shop: Shop) -> None:
    item = shop.put_up(units=2, limit=5)
    item.shard.mark_sold_out(left=2)
    with item.untouched():
        answer = item.buy("ann", body(3))
    assert_refused(answer, "sold_out")
    assert answer.json["detail"] == "fewer are left than you asked for"
    assert_reserved(item.buy("ann", body(2)), item, qty=2)


def test_a_mark_that_is_too_old_is_not_believed(shop: Shop) -> None:
    item = shop.put_up(units=1)
    item.buy("ann")
    item.shard.mark_sold_out()
    assert_refused(item.buy("bob"), "sold_out")
    until(lambda: item.buy("bob").outcome == "busy", "the mark has expired")


def test_a_reservation_that_has_ended_is_pending_and_takes_nothing(shop: Shop) -> None:
    item = shop.put_up(units=5, limit=2)
    bought = item.buy("ann", body(2), key="k").json["reservation_id"]
    end(item, bought)
    with item.untouched():
        again = item.buy("ann", body(2), key="k")
    assert (again.status, again.outcome, again.json["reservation_id"]) == (202, "pending", bought)
    assert again.json["status_url"] == f"/v1/reservations/{bought}"
    # And his limit is free for another purchase.
    assert_reserved(item.buy("ann", body(2), key="other"), item, qty=2)


def test_the_status_of_one_that_has_ended_is_told_by_nobody_but_the_projection(shop: Shop) -> None:
    item = shop.put_up(units=5)
    bought = item.buy("ann").json["reservation_id"]
    end(item, bought)
    assert_refused(item.status(bought), "busy")


def end(item: Item, reservation_id: str) -> None:
    """What the stock agent does for ann's order that has expired."""
    armed, shard = item.shard, item.shard.shard
    keys = [shard.ctl, shard.avail, shard.buyers]
    assert armed.call(scripts.RELEASE, keys, shard.epoch, "ann", reservation_id) == 1
    armed.known[reservation_id] = 0
