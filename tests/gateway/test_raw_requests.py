"""Requests that no well-behaved client sends, byte by byte."""

from collections.abc import Iterator

import pytest

from tests.gateway.client import Answer, request_text, speak
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import BODY, Item, Shop

CHUNKED = b"9\r\n" + BODY + b"\r\n0\r\n\r\n"
LENGTH = "Content-Length: 9"


@pytest.fixture(scope="module")
def popular(module_shop: Shop) -> Item:
    """An item that everybody here fails to buy."""
    return module_shop.put_up(units=50)


@pytest.fixture
def item(popular: Item) -> Iterator[Item]:
    """`popular`; no case may take a unit of it."""
    with popular.untouched():
        yield popular


def lines(item: Item, *more: str) -> list[str]:
    """The header lines of a good purchase, without its length, and some more."""
    return [f"{name}: {value}" for name, value in item.headers("ann").items()] + list(more)


def say(item: Item, *parts: bytes) -> list[Answer]:
    """Every answer to these bytes."""
    return speak(item.shop.gateway.port, *parts)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param([LENGTH, LENGTH], BODY, id="the same length twice"),
        pytest.param([LENGTH, "Content-Length: 4"], BODY, id="two lengths"),
        pytest.param([LENGTH, "Transfer-Encoding: chunked"], CHUNKED, id="length and chunks"),
        pytest.param(["Transfer-Encoding: chunked", LENGTH], CHUNKED, id="chunks and length"),
        pytest.param(["Transfer-Encoding: chunked"], CHUNKED, id="chunks"),
        pytest.param(["Transfer-Encoding: chunked, chunked"], CHUNKED, id="chunks twice"),
        pytest.param(["Transfer-Encoding: xchunked"], BODY, id="another encoding"),
        pytest.param(["Transfer-Encoding: gzip", LENGTH], BODY, id="length and gzip"),
        pytest.param(["Transfer-Encoding:\tchunked"], CHUNKED, id="chunks behind a tab"),
        pytest.param(["Content-Length: -1"], BODY, id="negative length"),
        pytest.param(["Content-Length: +9"], BODY, id="signed length"),
        pytest.param(["Content-Length: 9, 9"], BODY, id="a list of lengths"),
        pytest.param(["Content-Length: 0x9"], BODY, id="hexadecimal length"),
        pytest.param(["Content-Length: 99999999999999999999"], BODY, id="enormous length"),
        pytest.param(["Content-Length: 0"], b"", id="length zero"),
        pytest.param(["Content-Length : 9"], BODY, id="a blank before the colon"),
        pytest.param(["X-Folded: one\r\n two", LENGTH], BODY, id="a folded line"),
        pytest.param([" X-Folded: one", LENGTH], BODY, id="a line that begins with a blank"),
        pytest.param(["X-Nul: a\0b", LENGTH], BODY, id="NUL in a header"),
        pytest.param(["X-N\0l: a", LENGTH], BODY, id="NUL in a header's name"),
        pytest.param(["Authorization: Bearer x", LENGTH], BODY, id="two bearers"),
        pytest.param(["Host: other.example", LENGTH], BODY, id="two hosts"),
        pytest.param(["X-Long: " + "x" * 9000, LENGTH], BODY, id="a long header"),
        pytest.param([f"X-{n}: {'x' * 3000}" for n in range(8)] + [LENGTH], BODY, id="many"),
    ],
)
def test_headers_that_two_servers_could_read_differently_are_refused(
    item: Item, headers: list[str], body: bytes
) -> None:
    answers = say(item, request_text("POST", item.buy_path, lines(item, *headers), body))
    assert_refused(answers[0], "bad_request")
    # What stands behind a refused request may be refused too, but is never a purchase.
    for answer in answers[1:]:
        assert_refused(answer, "bad_request")


@pytest.mark.parametrize(
    "line",
    [
        b"POST {path} HTTP/2.0",
        b"POST {path} HTTP/9.1",
        b"POST {path} HTTP/1.1x",
        b"POST {path} HTTP",
        b"POST {path}\0 HTTP/1.1",
        b"POST {path}%00 HTTP/1.1",
        b"POST {path}%zz HTTP/1.1",
        b"post {path} HTTP/1.1",
        b"POST  HTTP/1.1",
        b"POST buy HTTP/1.1",
        b"POST /v1/../../etc/passwd HTTP/1.1",
        b"POST /v1/items/" + b"9" * 9000 + b"/x/buy HTTP/1.1",
        b"CONNECT 127.0.0.1:80 HTTP/1.1",
        b"TRACE {path} HTTP/1.1",
        b"PRI * HTTP/2.0",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_a_request_line_that_is_none_is_refused(item: Item, line: bytes) -> None:
    head = line.replace(b"{path}", item.buy_path.encode())
    rest = request_text("X", "x", lines(item, LENGTH), BODY).partition(b"\r\n")[2]
    assert_refused(say(item, head + b"\r\n" + rest)[0], "bad_request")


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", "{path}", "bad_request"),
        ("GET", "{path}", "bad_request"),
        ("POST", "/v1/items/999999/x/buy", "not_found"),
        ("POST", "/v1/nothing", "not_found"),
        ("GET", "/v1/reservations/x", "bad_token"),
        ("GET", "/v1/campaigns/none", "not_found"),
        ("POST", "/v1/time", "bad_request"),
        ("GET", "/", "not_found"),
    ],
)
def test_a_body_behind_a_refusal_is_never_read_as_a_request(
    item: Item, method: str, path: str, code: str
) -> None:
    hidden = request_text("POST", item.buy_path, lines(item, LENGTH), BODY)
    headers = [f"Content-Length: {len(hidden)}", "Content-Type: text/plain"]
    (answer,) = say(
        item, request_text(method, path.replace("{path}", item.buy_path), headers, hidden)
    )
    assert_refused(answer, code)


def test_a_body_shorter_than_it_says_buys_nothing(item: Item) -> None:
    text = request_text("POST", item.buy_path, lines(item, "Content-Length: 10"), BODY)
    assert all(answer.status == 400 for answer in say(item, text))


def test_a_body_longer_than_it_says_buys_nothing(item: Item) -> None:
    text = request_text("POST", item.buy_path, lines(item, "Content-Length: 8"), BODY)
    for answer in say(item, text):
        assert_refused(answer, "bad_request")


def test_a_request_without_a_host_is_refused(item: Item) -> None:
    text = request_text("POST", item.buy_path, lines(item, LENGTH), BODY)
    (answer,) = say(item, text.replace(b"Host: shop.example\r\n", b""))
    assert_refused(answer, "bad_request")


def test_the_internal_page_cannot_be_asked_for(item: Item) -> None:
    (answer,) = say(item, request_text("GET", "/.bad_request", ["Connection: close"]))
    assert_refused(answer, "not_found")


def test_two_good_requests_in_one_go_are_two_answers(module_shop: Shop) -> None:
    item = module_shop.put_up()
    one = request_text("POST", item.buy_path, lines(item, LENGTH), BODY)
    first, second = say(item, one + one)
    assert first.outcome == second.outcome == "reserved"
    assert first.body == second.body
    assert item.shard.books().sold == 1


def test_a_request_in_many_small_pieces_is_one_purchase(module_shop: Shop) -> None:
    item = module_shop.put_up()
    text = request_text("POST", item.buy_path, lines(item, LENGTH), BODY)
    (answer,) = say(item, *(text[at : at + 7] for at in range(0, len(text), 7)))
    assert answer.outcome == "reserved"
