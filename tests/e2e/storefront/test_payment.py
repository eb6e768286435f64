"""The pay button of the demo shop, and what comes of it."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.conftest import JsonObject
from tests.e2e.storefront.shop import Shop

Visit = Callable[..., Shop]
PutUp = Callable[..., JsonObject]


class Provider(ThreadingHTTPServer):
    """Takes a payment, and says nothing of what becomes of it."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, bytes]] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                provider.heard.append((self.path, self.headers["authorization"], body))
                answer = b'{"payment_id":"p-1","order_number":"S1"}'
                self.send_response(202)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Nothing to say."""

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def provider() -> Iterator[Provider]:
    server = Provider()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_pressing_pay_asks_for_the_payment_of_this_reservation(
    put_up: PutUp, visit: Visit, provider: Provider
) -> None:
    shop = visit(put_up("Teapot", units=5, starts_in_s=2))

    def to_provider(route: Route) -> None:
        route.continue_(url=f"http://127.0.0.1:{provider.server_port}/demo/payments")

    shop.page.route("**/demo/payments", to_provider)
    shop.buy()
    shop.expect_state("confirmed")
    shop.pay.click()
    expect(shop.page.locator(".pay-note")).to_have_text("Your payment is on its way.")
    expect(shop.sentence).to_have_text("We are waiting for word of your payment.")
    path, token, body = provider.heard[0]
    assert (path, token[:7]) == ("/demo/payments", "Bearer ")
    assert body.decode() == f'{{"reservation_id":"{shop.kept()["reservation_id"]}"}}'
    # It was asked for, and nobody has said that it is paid.
    assert shop.kept()["state"] == "confirmed"


def test_an_order_is_paid(put_up: PutUp, visit: Visit) -> None:
    shop = visit(put_up("Teapot", units=5, starts_in_s=2))
    shop.buy()
    shop.expect_state("confirmed")
    shop.pay.click()
    shop.expect_state("paid")
    expect(shop.pay).to_be_hidden()
    expect(shop.headline).to_have_text("Paid. Thank you!")
    shop.shoot("paid")
