"""GET /v1/reservations/{id}: one's own reservation, as projected, or else from the shard."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from control_plane.orders.projection import KEY_PREFIX
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Item, Shop
from tests.gateway.work_redis import WorkRedis


@pytest.fixture
def item(shop: Shop) -> Item:
    """An item of which ann holds one."""
    return shop.put_up(units=5)


@pytest.fixture
def reservation_id(item: Item) -> str:
    """Ann's."""
    return str(item.buy("ann").json["reservation_id"])


@pytest.fixture
def project(work: WorkRedis, reservation_id: str) -> Any:
    """Write what the order consumer would, for ann's reservation."""

    def write(shopper: str = "ann", **fields: Any) -> dict[str, Any]:
        status = {"reservation_id": reservation_id, "qty": 1} | fields
        work.client.set(KEY_PREFIX + reservation_id, json.dumps(status | {"shopper": shopper}))
        return status

    return write


@pytest.fixture
def without_work_redis(work: WorkRedis) -> Iterator[None]:
    """The work Redis is away for the length of a case."""
    work.stop()
    yield
    work.start()


def test_a_fresh_reservation_is_reserved(item: Item, reservation_id: str) -> None:
    answer = item.status(reservation_id)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json == {
        "reservation_id": reservation_id,
        "item": item.id,
        "qty": 1,
        "state": "reserved",
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "confirmed", "order": "S0000000123", "pay_by_ms": 1795348800000},
        {"state": "paid", "order": "S0000000123"},
        {"state": "expired", "order": "S0000000123"},
        {"state": "cancelled", "order": "S0000000123"},
        {"state": "rejected", "reason": "late"},
    ],
)
def test_what_became_of_it_is_told_as_projected(
    item: Item, reservation_id: str, project: Any, fields: dict
) -> None:
    status = project(item=item.id, **fields)
    answer = item.status(reservation_id)
    assert answer.status == 200
    assert answer.json == status  # and not whose it is


def test_each_of_several_reservations_has_its_own_quantity(shop: Shop) -> None:
    item = shop.put_up(units=10, limit=5)
    for qty, key in ((2, "one"), (3, "two")):
        bought = item.buy("ann", f'{{"qty":{qty}}}'.encode(), key=key)
        assert item.status(bought.json["reservation_id"]).json["qty"] == qty


def test_reading_changes_nothing(item: Item, reservation_id: str) -> None:
    with item.untouched():
        item.status(reservation_id)


def test_another_shopper_sees_nothing(item: Item, reservation_id: str) -> None:
    assert_refused(item.status(reservation_id, "bob"), "not_found")


def test_another_shopper_sees_no_projection_either(
    item: Item, reservation_id: str, project: Any
) -> None:
    project(item=item.id, state="paid", order="S0000000123")
    assert_refused(item.status(reservation_id, "bob"), "not_found")


def test_a_token_of_another_item_sees_nothing(shop: Shop, item: Item, reservation_id: str) -> None:
    other = shop.put_up()
    assert_refused(other.status(reservation_id), "not_found")


def test_an_id_of_another_item_in_the_same_shard_number_is_nothing(
    shop: Shop, item: Item, reservation_id: str
) -> None:
    other = shop.put_up()
    renamed = f"{other.id}-{reservation_id.split('-', 1)[1]}"
    assert_refused(other.status(renamed), "not_found")


@pytest.mark.parametrize(
    "spoilt",
    [
        "{cut}",
        "{id}x",
        "{last}",
        "{swapped}",
        "{item}-00-{digest}",
        "0{id}",
        "{id}/",
        "{id}%20",
        "{id}%0a",
        "%20{id}",
        "",
        "x",
        "*",
        "999999-0-{digest}",
        "{id}{id}{id}{id}{id}{id}{id}{id}{id}{id}",
    ],
)
def test_an_id_that_is_not_quite_his_is_nothing(
    item: Item, reservation_id: str, spoilt: str
) -> None:
    digest, last = reservation_id.split("-", 2)[2], reservation_id[-1]
    asked = spoilt.format(
        id=reservation_id,
        item=item.id,
        digest=digest,
        cut=reservation_id[:-1],
        last=reservation_id[:-1] + ("a" if last != "a" else "b"),
        swapped=reservation_id.swapcase(),
    )
    assert_refused(item.status(asked), "not_found")


def test_a_shard_that_does_not_exist_cannot_say_no(item: Item, reservation_id: str) -> None:
    assert_refused(item.status(reservation_id.replace("-0-", "-1-", 1)), "busy")


def test_without_a_token_there_is_no_answer(item: Item, reservation_id: str) -> None:
    answer = item.shop.gateway.get(f"/v1/reservations/{reservation_id}")
    assert_refused(answer, "bad_token")


def test_a_forged_token_gets_no_answer(item: Item, reservation_id: str) -> None:
    assert_refused(item.status(reservation_id, kid="e-9"), "bad_token")


def test_an_expired_token_reads_for_an_hour(item: Item, reservation_id: str) -> None:
    end = int(time.time()) - 3500
    assert item.status(reservation_id, nbf=end - 120, iat=end - 120, exp=end).status == 200


def test_an_older_token_does_not_read(item: Item, reservation_id: str) -> None:
    end = int(time.time()) - 3606
    answer = item.status(reservation_id, nbf=end - 120, iat=end - 120, exp=end)
    assert_refused(answer, "bad_token")


def test_an_expired_token_does_not_buy(item: Item) -> None:
    end = int(time.time()) - 60
    token = item.token("bob", nbf=end - 120, iat=end - 120, exp=end)
    with item.untouched():
        answer = item.buy("bob", headers={"Authorization": f"Bearer {token}"})
        assert_refused(answer, "bad_token")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_it_is_only_read(item: Item, reservation_id: str, method: str) -> None:
    answer = item.buy("ann", method=method, path=f"/v1/reservations/{reservation_id}")
    assert_refused(answer, "bad_request")


def test_a_reservation_of_an_ended_sale_is_still_told(
    shop: Shop, item: Item, reservation_id: str
) -> None:
    shop.change(item, state="ended")
    assert item.status(reservation_id).json["state"] == "reserved"


@pytest.mark.usefixtures("without_work_redis")
def test_without_work_redis_the_shard_answers(shop: Shop) -> None:
    item = shop.put_up()
    reservation_id = item.buy("ann").json["reservation_id"]
    assert item.status(reservation_id).json["state"] == "reserved"


@pytest.mark.usefixtures("without_work_redis")
def test_without_work_redis_nobody_says_no(shop: Shop) -> None:
    item = shop.put_up()
    assert_refused(item.status(f"{item.id}-0-{'a' * 22}"), "busy")


def test_a_projection_that_cannot_be_read_is_no_answer(
    work: WorkRedis, item: Item, reservation_id: str
) -> None:
    for text in ("", "{", "7", '"paid"', "null"):
        work.client.set(KEY_PREFIX + reservation_id, text)
        assert item.status(reservation_id).json["state"] == "reserved"
        assert_refused(item.status(reservation_id, "bob"), "busy")


def test_a_lost_shard_does_not_say_no_before_the_projection_is_read(
    shop: Shop, item: Item, reservation_id: str, project: Any
) -> None:
    shop.change(item, shards=[])
    assert_refused(item.status(reservation_id), "busy")
    project(item=item.id, state="paid", order="S0000000123")
    assert item.status(reservation_id).json["state"] == "paid"


def test_one_of_an_earlier_epoch_is_told_by_the_next_which_knows_its_buyers(
    item: Item, reservation_id: str
) -> None:
    item.rearm(epoch=2, units=3)
    assert item.status(reservation_id).json["state"] == "reserved"


def test_one_that_no_present_epoch_knows_is_told_by_the_projection(
    item: Item, reservation_id: str, project: Any
) -> None:
    item.rearm(epoch=2, units=3, carry_over=False)
    project(item=item.id, state="expired", order="S0000000123")
    assert item.status(reservation_id).json["state"] == "expired"


def test_one_that_neither_knows_is_clearly_unknown(item: Item, reservation_id: str) -> None:
    item.rearm(epoch=2, units=3, carry_over=False)
    assert_refused(item.status(reservation_id), "not_found")
