"""One exact shape of request is a purchase. Everything else is refused and changes nothing."""

from collections.abc import Iterator

import pytest

from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Item, Shop

TICKET = b"t" * 512
QUANTITIES = """
    0 -1 -0 1.5 1.0 1e0 1E0 10e-1 1e9 1e999 101 1000000000 99999999999999999999 01 +1 0x1 1_0 1,5
    "1" "" true false null [] [1] {} NaN Infinity -Infinity nan
"""
METHODS = "GET HEAD PUT PATCH DELETE OPTIONS BUY PROPFIND"


@pytest.fixture(scope="module")
def popular(module_shop: Shop) -> Item:
    """An item that everybody here fails to buy."""
    return module_shop.put_up(units=50, limit=100)


@pytest.fixture
def item(popular: Item) -> Iterator[Item]:
    """`popular`; no case may take a unit of it."""
    with popular.untouched():
        yield popular


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(None, id="none"),
        pytest.param(b"", id="empty"),
        pytest.param(b"qty=1", id="a form"),
        pytest.param(b"1", id="a number"),
        pytest.param(b'"qty"', id="a text"),
        pytest.param(b"null", id="null"),
        pytest.param(b"true", id="true"),
        pytest.param(b"[]", id="an empty list"),
        pytest.param(b'[{"qty":1}]', id="a list"),
        pytest.param(b"{}", id="an empty object"),
        pytest.param(b'{"qty":1', id="cut off"),
        pytest.param(b'{"qty":1}}', id="one brace more"),
        pytest.param(b'{"qty":1}{"qty":1}', id="two objects"),
        pytest.param(b'{"qty":1} x', id="words behind"),
        pytest.param(b'{"qty":1,}', id="a comma at the end"),
        pytest.param(b"{'qty':1}", id="single quotes"),
        pytest.param(b"{qty:1}", id="no quotes"),
        pytest.param(b'{"qty":1/* one */}', id="a comment"),
        pytest.param(b'\xef\xbb\xbf{"qty":1}', id="a byte order mark"),
        pytest.param('{"qty":1}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b'{"qty":1}\0', id="NUL behind"),
        pytest.param(b'{"qty":1}\0{"qty":9}', id="NUL and more behind"),
        pytest.param(b'\0{"qty":1}', id="NUL before"),
        pytest.param(b'{"qty\0":1}', id="NUL in the name"),
        pytest.param(b'{"qty":1,"ticket":"\xff\xfe"}', id="invalid UTF-8"),
        pytest.param(b'{"qty\xff":1}', id="invalid UTF-8 in the name"),
        pytest.param(b'{"qty":1,"ticket":"\xc0\xaf"}', id="overlong UTF-8"),
        pytest.param(b'{"qty":{"qty":1}}', id="nested"),
        pytest.param(b"[" * 400, id="deeply nested"),
        pytest.param(b'{"qty":' * 80 + b"1" + b"}" * 80, id="deeply nested objects"),
        pytest.param(b'{"qty":1}'.ljust(601), id="601 bytes"),
        pytest.param(b'{"qty":1}'.ljust(1025), id="1025 bytes"),
        pytest.param(b'{"qty":1}'.ljust(100_000), id="100 kB"),
    ],
)
def test_a_body_that_is_no_wish_is_refused(item: Item, body: bytes | None) -> None:
    assert_refused(item.buy("ann", body), "bad_request")


@pytest.mark.parametrize("qty", QUANTITIES.split())
def test_a_quantity_that_is_no_plain_count_is_refused(item: Item, qty: str) -> None:
    assert_refused(item.buy("ann", f'{{"qty":{qty}}}'.encode()), "bad_request")


@pytest.mark.parametrize(
    "body",
    [
        b'{"qty":1,"qty":1}',
        b'{"qty":1,"qty":9}',
        b'{"qty":1,"q\\u0074y":9}',
        b'{"q\\u0074y":9}',
        b'{"qty":1,"ticket":"a","ticket":"b"}',
        b'{"qty":1,"Qty":1}',
        b'{"qty":1,"item":7}',
        b'{"qty":1,"shopper":"bob"}',
        b'{"qty":1,"":1}',
        b'{"ticket":"a"}',
        b'{"qty":1,"ticket":1}',
        b'{"qty":1,"ticket":null}',
        b'{"qty":1,"ticket":""}',
        b'{"qty":1,"ticket":["a"]}',
        b'{"qty":1,"ticket":"a b"}',
        b'{"qty":1,"ticket":"a\\"b"}',
        b'{"qty":1,"ticket":"a\\u0000"}',
        b'{"qty":1,"ticket":"%s"}' % (TICKET + b"t"),
    ],
)
def test_fields_that_are_unknown_double_or_malformed_are_refused(item: Item, body: bytes) -> None:
    answer = item.buy("ann", body)
    assert_refused(answer, "bad_request")
    assert answer.json["detail"]


def test_the_refusal_names_the_field(item: Item) -> None:
    assert item.buy("ann", b'{"qty":1,"colour":1}').json["detail"] == "unknown field colour"
    assert "qty" in item.buy("ann", b'{"qty":0}').json["detail"]
    assert "ticket" in item.buy("ann", b'{"qty":1,"ticket":7}').json["detail"]


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "BUY", "PROPFIND"]
)
def test_only_post_buys(item: Item, method: str) -> None:
    answer = item.buy("ann", method=method)
    if method == "HEAD":
        assert (answer.status, answer.body) == (400, b"")
    else:
        assert_refused(answer, "bad_request")


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=gbk",
        "application/json;",
        "application/json, text/plain",
        "application/jsonx",
        "multipart/form-data; boundary=x",
    ],
)
def test_only_json_is_read(item: Item, content_type: str) -> None:
    assert_refused(item.buy("ann", headers={"Content-Type": content_type}), "bad_request")


@pytest.mark.parametrize("query", ["?qty=9", "?a", "?item=8&shopper=bob", "?%00"])
def test_a_query_string_is_refused(item: Item, query: str) -> None:
    assert_refused(item.buy("ann", path=item.buy_path + query), "bad_request")


@pytest.mark.parametrize(
    "key", ["k" * 65, "a b", "a,b", "a/b", "a.b", 'a"b', "ключ".encode().decode("latin-1"), "a;b"]
)
def test_an_idempotency_key_of_other_letters_is_refused(item: Item, key: str) -> None:
    assert_refused(item.buy("ann", key=key), "bad_request")


def test_the_shape_is_looked_at_before_key_and_token(item: Item) -> None:
    path = f"/v1/items/{item.id}/x/buy"
    answer = item.buy("ann", b"{}", headers={"Authorization": "none"}, path=path)
    assert_refused(answer, "bad_request")
