"""Slow connections and many of them: refused in our own words, and the others are served."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.gateway.client import TIMEOUT_S, request_text
from tests.gateway.gateway import Gateway
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import BODY, Item, Shop
from tests.redis.waiting import until

FEW = 4
GREEDY, OTHER = "127.0.0.66", "127.0.0.67"
SLOW_CONNECTIONS = 200


@pytest.fixture(scope="module")
def narrow(module_shop: Shop, folder: Path) -> Iterator[Gateway]:
    """A gateway that lets an address have FEW requests under way."""
    home = folder / "narrow"
    gateway = Gateway(home, {**module_shop.gateway.settings, "SLUICE_VAR_DIR": str(home)})
    gateway.rendered = {"SLUICE_CONNECTIONS_PER_ADDRESS": str(FEW)}
    gateway.start()
    yield gateway
    gateway.stop()
    assert gateway.unexpected_errors() == []


def put_up(shop: Shop, gateway: Gateway) -> Item:
    """An item that this gateway sells too."""
    item = shop.put_up(units=50)
    until(lambda: gateway.runs(shop.document["version"]), "it has the snapshot")
    return item


@contextmanager
def beginning(port: int, source: str, text: bytes, count: int) -> Iterator[list[socket.socket]]:
    """So many connections from one address, on each of which only `text` was said."""
    with ExitStack() as stack:
        lines = []
        for _ in range(count):
            line = socket.create_connection(("127.0.0.1", port), TIMEOUT_S, (source, 0))
            stack.enter_context(line)
            line.sendall(text)
            lines.append(line)
        yield lines


def purchase(item: Item) -> bytes:
    """A good purchase, byte by byte."""
    lines = [f"{name}: {value}" for name, value in item.headers("slow").items()]
    return request_text("POST", item.buy_path, [*lines, "Content-Length: 9"], BODY)


def test_an_address_with_too_many_requests_under_way_is_refused(
    shop: Shop, narrow: Gateway
) -> None:
    item = put_up(shop, narrow)
    without_body = purchase(item)[: -len(BODY)]
    with item.untouched(), beginning(narrow.port, GREEDY, without_body, FEW):

        def refused() -> bool:
            answer = item.send("greedy", gateway=narrow, source=GREEDY, body=b"{").answer()
            return answer.status == 429

        until(refused, "all of them are under way")
        answer = item.send("greedy", gateway=narrow, source=GREEDY).answer()
        assert_refused(answer, "rate_limited")
    assert item.send("other", gateway=narrow, source=OTHER).answer().outcome == "reserved"


def test_proxied_shoppers_are_counted_by_their_own_addresses(shop: Shop, narrow: Gateway) -> None:
    item = put_up(shop, narrow)
    without_body = purchase(item)[: -len(BODY)]
    behind = without_body.replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n")
    with beginning(narrow.port, "127.0.0.1", behind, FEW):
        other = {"X-Forwarded-For": "192.0.2.10"}
        answer = item.send("ann", gateway=narrow, headers=other).answer()
        assert answer.outcome == "reserved"


@pytest.mark.parametrize("cut", [20, -len(BODY), -3], ids=["headers", "no body", "half a body"])
def test_slow_clients_are_hung_up_on_and_others_are_served_meanwhile(shop: Shop, cut: int) -> None:
    item, port = shop.put_up(units=50), shop.gateway.port
    text = purchase(item)[:cut]
    with beginning(port, GREEDY, text, SLOW_CONNECTIONS) as lines:
        assert item.buy("other", source=OTHER).outcome == "reserved"
        assert item.buy("same", source=GREEDY).outcome == "reserved"
        for line in lines:
            # nginx resets what times out (reset_timedout_connection), perhaps after an answer.
            try:
                while line.recv(4096):
                    pass
            except ConnectionResetError:
                pass
    assert item.shard.books().sold == 2


def test_idle_connections_keep_nobody_out(shop: Shop) -> None:
    item = shop.put_up()
    with beginning(shop.gateway.port, GREEDY, b"", 1000):
        assert item.buy("ann", source=OTHER).outcome == "reserved"


def test_who_does_not_read_his_answers_keeps_nobody_out(shop: Shop) -> None:
    item = shop.put_up(units=50)
    greedy = purchase(item) * 200
    with beginning(shop.gateway.port, GREEDY, greedy, 20):
        assert item.buy("ann", source=OTHER).outcome == "reserved"
    assert item.shard.books().sold <= 2
