"""What does not exist, or must look as if it did not."""

from collections.abc import Iterator

import pytest

from tests.gateway.client import get
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Item, Shop


@pytest.fixture(scope="module")
def popular(module_shop: Shop) -> Item:
    """An item that everybody here fails to buy."""
    return module_shop.put_up(units=50)


@pytest.fixture
def item(popular: Item) -> Iterator[Item]:
    """`popular`; no case may take a unit of it."""
    with popular.untouched():
        yield popular


@pytest.mark.parametrize(
    "path_key",
    [
        "x",
        "{}x",
        "x{}",
        "{}{}",
        "{upper}",
        "{cut}",
        "{last}",
        "%2e%2e",
        "..",
        ".",
        "{}%20",
        "{}%00x",
        "{};x",
    ],
)
def test_a_wrong_path_key_looks_like_a_page_that_does_not_exist(item: Item, path_key: str) -> None:
    key = item.path_key
    other_last = "a" if key[-1] != "a" else "b"
    wrong = path_key.format(
        key, key, upper=key.swapcase(), cut=key[:-1], last=key[:-1] + other_last
    )
    answer = item.buy("ann", path=f"/v1/items/{item.id}/{wrong}/buy")
    if "%00" in wrong:
        assert_refused(answer, "bad_request")  # no server may pass it on
    else:
        assert_refused(answer, "not_found")
        assert "detail" not in answer.json


def test_a_wrong_path_key_tells_nothing_that_an_unknown_page_does_not(item: Item) -> None:
    wrong = item.buy("ann", path=f"/v1/items/{item.id}/{'x' * 22}/buy")
    unknown = item.buy("ann", path="/v1/nothing/here")
    assert wrong.body == unknown.body
    assert wrong.headers.keys() == unknown.headers.keys()


@pytest.mark.parametrize(
    "number",
    ["999999", "0", "00", "-1", "1.5", "1e3", "x", "%39%39%39%39%39%39", "9" * 30, "%d9%a7"],
)
def test_an_unknown_item_is_not_found(item: Item, number: str) -> None:
    answer = item.buy("ann", path=f"/v1/items/{number}/{item.path_key}/buy")
    assert_refused(answer, "not_found")


def test_an_item_number_has_one_spelling(item: Item) -> None:
    answer = item.buy("ann", path=f"/v1/items/0{item.id}/{item.path_key}/buy")
    assert_refused(answer, "not_found")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "/v1/items",
        "/v1/items/",
        "/v1/items/{id}",
        "/v1/items/{id}/{key}",
        "/v1/items/{id}/{key}/",
        "/v1/items/{id}/{key}/buy/",
        "/v1/items/{id}/{key}/buyx",
        "/v1/items/{id}/{key}/BUY",
        "/v1/items/{id}/{key}/entry",
        "/v1/items/{id}//buy",
        "/v2/items/{id}/{key}/buy",
        "/v1/times",
        "/metrics",
        "/internal/snapshot",
        "/healthz/x",
        "/snapshot.json",
        "/nginx.pid",
        "/conf/nginx.conf",
        "/../conf/nginx.conf",
    ],
)
def test_an_unknown_route_is_not_found(item: Item, path: str) -> None:
    answer = item.buy("ann", path=path.format(id=item.id, key=item.path_key))
    if path.startswith("/.."):
        assert_refused(answer, "bad_request")
    else:
        assert_refused(answer, "not_found")


def test_the_internal_port_has_metrics_and_nothing_else(item: Item) -> None:
    gateway = item.shop.gateway
    assert get(gateway.internal_port, "/metrics").status == 200
    for path in ("/", "/v1/time", "/healthz", item.buy_path):
        assert get(gateway.internal_port, path).status == 404
