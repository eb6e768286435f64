"""The gateway is down, the visitor is offline, answers are lost: calm words, and one order."""

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import BrowserContext, Route, expect

from tests.e2e.conftest import JsonObject
from tests.e2e.storefront.shop import Shop

Visit = Callable[..., Shop]
PutUp = Callable[..., JsonObject]


def test_the_gateway_goes_down_and_comes_back(
    put_up: PutUp, visit: Visit, away: Callable[..., Any]
) -> None:
    shop = visit(put_up("Gateway", units=5, starts_in_s=2))
    shop.expect_open()
    with away("gateway"):
        shop.button.click()
        expect(shop.sentence).to_have_text("Very busy right now. We keep trying for you.")
        shop.shoot("busy")
    shop.expect_state("confirmed")
    assert len({one.headers["idempotency-key"] for one in shop.purchases()}) == 1


def test_a_page_waits_as_long_as_a_busy_edge_has_asked_it_to(
    put_up: PutUp, visit: Visit, new_visitor: Callable[..., BrowserContext]
) -> None:
    campaign = put_up("Patience", units=5, starts_in_s=7200)
    visitor = new_visitor()
    visitor.clock.install()
    asked: list[str] = []

    def be_busy(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=503, json={"code": "busy", "retry_after_ms": 600_000})

    visitor.route(re.compile(r"/v1/items/\d+$"), be_busy)
    shop = visit(campaign, visitor)
    phase = shop.sale.locator("[part=phase]")
    expect(phase).to_have_text("Very busy right now. We keep trying for you.")
    shop.page.clock.fast_forward(300_000)
    shop.page.clock.run_for(1000)
    assert len(asked) == 1
    with shop.page.expect_request(lambda request: request.url == asked[0]):
        shop.page.clock.fast_forward(300_000)


def test_who_was_offline_goes_on_when_he_is_back(
    put_up: PutUp, visit: Visit, new_visitor: Callable[..., BrowserContext]
) -> None:
    campaign = put_up("Offline", units=5, starts_in_s=2)
    visitor = new_visitor()
    shop = visit(campaign, visitor)
    shop.expect_open()
    visitor.set_offline(True)
    shop.button.click()
    expect(shop.sentence).to_contain_text("No connection", timeout=60_000)
    visitor.set_offline(False)
    shop.expect_state("confirmed")


def test_a_lost_answer_is_asked_for_again_with_the_same_key(
    put_up: PutUp, visit: Visit, new_visitor: Callable[..., BrowserContext]
) -> None:
    campaign = put_up("Lost answer", units=1, starts_in_s=2)
    visitor = new_visitor()
    lost: list[str] = []

    def lose_the_first(route: Route) -> None:
        answer = route.fetch()  # the unit is taken
        if lost:
            route.fulfill(response=answer)
        else:
            lost.append(answer.json()["reservation_id"])
            route.abort()

    visitor.route("**/buy", lose_the_first)
    shop = visit(campaign, visitor)
    shop.buy()
    shop.expect_state("confirmed")
    first, again = shop.purchases()[:2]
    assert first.headers["idempotency-key"] == again.headers["idempotency-key"]
    assert ("purchase-retry" in first.headers, "purchase-retry" in again.headers) == (False, True)
    # There was one unit, and it is his: the repeat was told the same reservation, not "sold out".
    assert shop.kept()["reservation_id"] == lost[0]


def test_a_reservation_is_not_called_an_order_before_it_is_one(
    put_up: PutUp, visit: Visit, frozen: Callable[..., Any]
) -> None:
    shop = visit(put_up("Reserved", units=5, starts_in_s=2))
    shop.expect_open()
    with frozen("order-consumer"):
        shop.button.click()
        shop.expect_state("reserved")
        expect(shop.headline).to_have_text("Reserved for you")
        expect(shop.sentence).to_contain_text("not confirmed yet")
        expect(shop.pay).to_be_hidden()
        expect(shop.order_number).to_be_hidden()
        shop.shoot("reserved")
    shop.expect_state("confirmed")
