"""A shop at another origin puts the sale into its page with one tag (sdk/example/one_tag.html)."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import BrowserContext, expect

from deploy.local.site import ROOT
from tests.e2e.conftest import JsonObject
from tests.e2e.storefront.shop import Shop
from tests.e2e.test_campaign_on_time import ask

EXAMPLE = ROOT / "edge-workers" / "sdk" / "example" / "one_tag.html"


class Merchant:
    """A shop's own server: the page, and the sessions of who is signed in."""

    def __init__(self, edge: str) -> None:
        self.edge = edge
        self.item = 0
        self.is_signed_in = True
        self.asked = 0
        merchant = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, kind, body = merchant.answer(self.path)
                self.send_response(status)
                self.send_header("content-type", kind)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                """Nothing to say."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, path: str) -> tuple[int, str, str]:
        if path == "/my-session":
            self.asked += 1
            return (200, "text/plain", self._session()) if self.is_signed_in else (401, "", "")
        if path.startswith("/pay/"):
            return 200, "text/html", f"<h1>Pay {path.removeprefix('/pay/')}</h1>"
        text = EXAMPLE.read_text().replace("https://edge.example", self.edge)
        return 200, "text/html", text.replace('item="7"', f'item="{self.item}"')

    def _session(self) -> str:
        who = json.dumps({"shopper": f"one-tag-{self.item}"}).encode()
        answer: JsonObject = ask(f"{self.edge}/demo/sessions", method="POST", body=who)[1]
        return str(answer["session"])


@pytest.fixture
def merchant(edge: str) -> Iterator[Merchant]:
    shop = Merchant(edge)
    thread = threading.Thread(target=shop.server.serve_forever, daemon=True)
    thread.start()
    yield shop
    shop.server.shutdown()
    shop.server.server_close()
    thread.join()


@pytest.fixture
def signed_out(merchant: Merchant) -> None:
    """Before the page is opened: the check ahead of the start asks for a session, too."""
    merchant.is_signed_in = False


@pytest.fixture
def shop(
    merchant: Merchant,
    put_up: Callable[..., JsonObject],
    new_visitor: Callable[..., BrowserContext],
) -> Shop:
    merchant.item = put_up("One tag", units=5, starts_in_s=2)["items"][0]["id"]
    page = new_visitor().new_page()
    shop = Shop(page)
    page.goto(merchant.origin)
    return shop


def test_one_tag_sells_in_a_shop_at_another_origin(shop: Shop) -> None:
    states: list[str] = []

    def told(state: str) -> None:
        states.append(state)

    shop.page.expose_function("told", told)
    shop.page.evaluate(
        "() => document.addEventListener('flash-sale-state', (event) => told(event.detail.state))"
    )
    shop.buy()
    shop.expect_state("confirmed")
    shop.shoot("one-tag")
    assert [state for state in states if state in ("entering", "confirmed")][-1] == "confirmed"
    assert shop.errors == []
    number = shop.order_number.inner_text()
    shop.pay.click()
    # Nobody prevented the event, so the button leads where the tag says.
    expect(shop.page.locator("h1")).to_have_text(f"Pay {number}")


def test_who_is_not_signed_in_is_asked_to(signed_out: None, shop: Shop, merchant: Merchant) -> None:
    shop.buy()
    expect(shop.headline).to_have_text("Please sign in")
    merchant.is_signed_in, asked = True, merchant.asked
    shop.button.click()
    shop.expect_state("confirmed")
    assert merchant.asked == asked + 1
