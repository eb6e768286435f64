"""The hidden part of the URL, and the one before it."""

import time

import pytest

from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Shop
from tests.gateway.test_reserved import assert_reserved

OLD = "o" * 22


def _rotated(shop: Shop, left_ms: int):
    item = shop.put_up()
    until_ms = int(time.time() * 1000) + left_ms
    shop.change(item, path_key_before={"key": OLD, "until_ms": until_ms})
    return item


def test_the_one_before_is_good_until_its_end(shop: Shop) -> None:
    item = _rotated(shop, 60_000)
    path = f"/v1/items/{item.id}/{OLD}/buy"
    assert_reserved(item.buy("ann", path=path), item)
    assert_reserved(item.buy("bob"), item)


def test_after_its_end_it_is_a_page_that_does_not_exist(shop: Shop) -> None:
    item = _rotated(shop, -1)
    with item.untouched():
        assert_refused(item.buy("ann", path=f"/v1/items/{item.id}/{OLD}/buy"), "not_found")


@pytest.mark.parametrize("key", ["x" * 22, "o" * 21, "o" * 23])
def test_any_other_is_none(shop: Shop, key: str) -> None:
    item = _rotated(shop, 60_000)
    with item.untouched():
        assert_refused(item.buy("ann", path=f"/v1/items/{item.id}/{key}/buy"), "not_found")


@pytest.mark.parametrize(
    "before", [{"key": "short", "until_ms": 1}, {"key": OLD}, {"until_ms": 1}, OLD, [], 7]
)
def test_a_document_with_half_a_key_is_refused_whole(shop: Shop, before: object) -> None:
    item = shop.put_up()
    runs = shop.document["version"]
    broken = shop.next_version()
    broken["items"][str(item.id)]["path_key_before"] = before
    shop.plane.publish(broken)
    time.sleep(0.3)
    assert shop.gateway.runs(runs)
    assert_reserved(item.buy("ann"), item)
    shop.publish()
