"""The database as stock source: the control plane reserves, the shopper hears the same answers."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.gateway.conftest import Settings
from tests.gateway.control_plane import ControlPlane
from tests.gateway.database import Database, Reply
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Item, Shop, listed
from tests.gateway.test_reserved import assert_reserved
from tests.redis.waiting import until
from workers.intent import decode

STOCK = {"source": "database", "generation": 1, "lease_ms": 2000}
EPOCH = 7

CarryOut = Callable[[], Reply]


@pytest.fixture(scope="module")
def settings() -> Settings:
    """Some cases wait for it."""
    return {"SLUICE_RESERVE_TIMEOUT_MS": "1500"}


@pytest.fixture
def database(plane: ControlPlane) -> Iterator[Database]:
    """What the control plane sells from."""
    plane.database.batches.clear()
    plane.database.most_running = 0
    yield plane.database
    plane.database.fault = None


@pytest.fixture
def item(shop: Shop, database: Database) -> Item:
    """An item that is sold from the database."""
    return put_up(shop, database)


def put_up(shop: Shop, database: Database, units: int = 10, limit: int = 1) -> Item:
    """Let an item be sold from the database."""
    shop.document["stock"] = STOCK
    item = shop.put_up(armed=False, units=units, limit=limit)
    database.sell(item.id, 0, EPOCH, units, limit)
    shop.change(item, shards=[listed(0, EPOCH, "", "database")])
    return item


def test_a_shopper_buys_and_the_intent_is_what_the_order_consumer_reads(
    item: Item, database: Database
) -> None:
    reservation_id = assert_reserved(item.buy("ann:b.c_d-9"), item)
    assert database.held()[reservation_id] == 1
    intent = database.intents[-1]
    assert (intent["shard"], intent["epoch"], intent["item"]) == (0, EPOCH, item.id)
    assert decode(json.dumps(intent).encode()).reservation_id == reservation_id


def test_a_retry_is_the_same_reservation(item: Item) -> None:
    first = item.buy("ann")
    again = item.buy("ann")
    assert (again.status, again.body) == (first.status, first.body)


def test_a_retry_with_another_quantity_tells_the_stored_one(shop: Shop, database: Database) -> None:
    item = put_up(shop, database, units=9, limit=5)
    one = assert_reserved(item.buy("ann", b'{"qty":2}', key="k"), item, qty=2)
    assert assert_reserved(item.buy("ann", b'{"qty":4}', key="k"), item, qty=2) == one
    assert database.units[item.id] == 7


def test_the_refusals_are_the_same(shop: Shop, database: Database) -> None:
    item = put_up(shop, database, units=3, limit=3)
    assert_refused(item.buy("ann", b'{"qty":4}'), "limit_reached")
    item.buy("ann", b'{"qty":2}')
    assert_refused(item.buy("bob", b'{"qty":2}'), "sold_out")
    item.buy("bob")
    assert_refused(item.buy("cem"), "sold_out")
    assert database.units[item.id] == 0


def test_what_waits_for_an_answer_goes_together(shop: Shop, database: Database) -> None:
    item = put_up(shop, database, units=1000)
    gate = threading.Event()

    def wait(carry_out: CarryOut) -> Reply:
        gate.wait(10)
        return carry_out()

    database.fault = wait
    first = item.send("first")
    until(lambda: database.running == 1, "the first call is in flight")
    others = [item.send(f"s{n}") for n in range(300)]
    until(lambda: shop.gateway.has_read(301), "all others wait in the gateway")
    gate.set()
    assert [one.answer().outcome for one in (first, *others)] == ["reserved"] * 301
    # One at a time, and never more than the control plane takes.
    assert database.most_running == 1
    assert database.batches == [1, 256, 44]


def answer(status: int, body: bytes = b"{}"):
    """A fault: the control plane says this, without having done anything."""
    return lambda carry_out: (status, body)


@contextmanager
def counted(shop: Shop, verdict: str) -> Iterator[None]:
    """One such verdict is counted for what happens inside."""
    before = shop.gateway.counted("database_errors", verdict)
    yield
    until(
        lambda: shop.gateway.counted("database_errors", verdict) == before + 1,
        f"{verdict} is counted",
    )


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (409, "fenced"),
        (503, "refused"),
        (400, "broken"),
        (401, "broken"),
        (403, "broken"),
        (404, "broken"),
        (405, "broken"),
        (413, "broken"),
    ],
)
def test_a_status_that_says_that_nothing_was_done_is_busy(
    shop: Shop, item: Item, database: Database, status: int, verdict: str
) -> None:
    shop.gateway.expected_errors.append("/internal/reserve: 4")
    database.fault = answer(status)
    with counted(shop, verdict):
        assert_refused(item.buy("ann"), "busy")


@pytest.mark.parametrize("status", [500, 502, 504, 302, 202, 429])
def test_any_other_status_is_pending_and_the_status_tells_the_truth(
    shop: Shop, item: Item, database: Database, status: int
) -> None:
    shop.gateway.expected_errors.append(f"/internal/reserve: {status}")

    def commit_and_fail(carry_out: CarryOut) -> Reply:
        carry_out()
        return status, b"{}"

    database.fault = commit_and_fail
    with counted(shop, "unknown"):
        pending = item.buy("ann")
    assert (pending.status, pending.outcome) == (202, "pending")
    database.fault = None
    assert item.status(pending.json["reservation_id"]).json["state"] == "reserved"
    assert item.buy("ann").json["reservation_id"] == pending.json["reservation_id"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b"{}",
        b'{"codes":"R"}',
        b'{"codes":"","again":""}',
        b'{"codes":"RR","again":""}',
        b'{"codes":"?","again":""}',
        b'{"codes":"A","again":""}',
        b'{"codes":7,"again":""}',
    ],
)
def test_an_answer_that_cannot_be_read_is_pending(
    shop: Shop, item: Item, database: Database, body: bytes
) -> None:
    shop.gateway.expected_errors += ["cannot be read", "/internal/reserve: 200"]
    database.fault = answer(200, body)
    assert item.buy("ann").outcome == "pending"


def test_a_cut_connection_is_pending(shop: Shop, item: Item, database: Database) -> None:
    shop.gateway.expected_errors.append("/internal/reserve: no answer")
    database.fault = lambda carry_out: carry_out() and None
    pending = item.buy("ann")
    assert pending.outcome == "pending"
    database.fault = None
    assert item.knows(pending.json["reservation_id"], "ann") == "reserved"


def test_no_answer_in_time_is_pending_and_those_behind_it_are_busy(
    shop: Shop, item: Item, database: Database
) -> None:
    shop.gateway.expected_errors.append("/internal/reserve: no answer")
    gate = threading.Event()

    def wait(carry_out: CarryOut) -> Reply:
        gate.wait(10)
        return carry_out()

    database.fault = wait
    sent = item.send("ann")
    until(lambda: database.running == 1, "the first call is in flight")
    waiting = [item.send(name) for name in ("bob", "cem")]
    assert sent.answer().outcome == "pending"
    for request in waiting:
        assert request.answer().outcome in {"busy", "pending"}
    gate.set()
    database.fault = None
    assert item.buy("ann").outcome == "reserved"


def test_without_a_control_plane_everybody_is_busy(shop: Shop, item: Item) -> None:
    shop.plane.stop()
    with counted(shop, "unreachable"):
        assert_refused(item.buy("ann"), "busy")
    assert_refused(item.status(f"{item.id}-0-{'a' * 22}"), "busy")
    shop.plane.start()
    assert item.buy("ann").outcome == "reserved"
    shop.publish()


def test_a_closed_epoch_is_busy(item: Item, database: Database) -> None:
    database.selling.remove((item.id, 0, EPOCH))
    assert_refused(item.buy("ann"), "busy")


def test_a_reservation_is_told_from_the_database(shop: Shop, database: Database) -> None:
    item = put_up(shop, database, limit=3)
    reservation_id = item.buy("ann", b'{"qty":2}').json["reservation_id"]
    assert item.status(reservation_id).json == {
        "reservation_id": reservation_id,
        "item": item.id,
        "qty": 2,
        "state": "reserved",
    }
    assert_refused(item.status(reservation_id, "bob"), "not_found")
    assert_refused(item.status(f"{item.id}-0-{'a' * 22}"), "not_found")


@pytest.mark.parametrize("status", [500, 503, 401, 200])
def test_a_database_that_cannot_say_is_no_answer(
    item: Item, database: Database, status: int
) -> None:
    database.fault = answer(status)
    assert_refused(item.status(f"{item.id}-0-{'a' * 22}"), "busy")


def test_what_has_ended_is_pending_again_and_its_status_is_not_made_up(
    item: Item, database: Database
) -> None:
    reservation_id = item.buy("ann").json["reservation_id"]
    database.end(reservation_id)
    again = item.buy("ann")
    assert (again.outcome, again.json["reservation_id"]) == ("pending", reservation_id)
    assert_refused(item.status(reservation_id), "busy")


def test_a_slow_lane_does_not_hold_up_another(shop: Shop, item: Item, database: Database) -> None:
    other = put_up(shop, database)
    gate = threading.Event()

    def only_the_first_waits(carry_out: CarryOut) -> Reply:
        if database.running == 1:
            gate.wait(10)
        return carry_out()

    database.fault = only_the_first_waits
    slow = item.send("ann")
    until(lambda: database.running == 1, "the first call is in flight")
    assert other.buy("bob").outcome == "reserved"
    assert not slow.is_answered()
    gate.set()
    assert slow.answer().outcome == "reserved"
