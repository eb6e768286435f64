"""From the button to the order, in the browser."""

import re
from collections.abc import Callable

from playwright.sync_api import BrowserContext, expect

from tests.e2e.conftest import JsonObject
from tests.e2e.storefront.shop import PATIENCE_MS, Shop
from tests.redis.waiting import until

Visit = Callable[..., Shop]
PutUp = Callable[..., JsonObject]


def test_a_purchase_goes_to_its_confirmed_order(put_up: PutUp, visit: Visit) -> None:
    shop = visit(put_up("Desk lamp, oak", units=5, starts_in_s=2))
    shop.expect_open()
    shop.shoot("open")
    shop.button.click()
    shop.expect_state("confirmed", "paid")
    expect(shop.order_number).to_have_text(re.compile(r"\w+"))
    expect(shop.spoken).to_contain_text(shop.order_number.inner_text())
    shop.shoot("confirmed")
    assert len(shop.purchases()) == 1
    assert shop.most_in_flight == 1
    assert shop.errors == []


def test_before_the_start_there_is_a_countdown_and_nothing_to_press(
    put_up: PutUp, visit: Visit
) -> None:
    shop = visit(put_up("Desk lamp, oak", units=500, starts_in_s=7200))
    expect(shop.button).to_have_attribute("aria-disabled", "true")
    expect(shop.sale.locator("[part=phase]")).to_have_text("Opens in")
    expect(shop.sale.locator("[part=countdown] b").nth(1)).to_have_text("01")
    shop.button.click(force=True)
    shop.shoot("before")
    assert shop.sent == []


def test_who_comes_too_late_hears_sold_out(
    put_up: PutUp, visit: Visit, new_visitor: Callable[..., BrowserContext]
) -> None:
    campaign = put_up("Last one", units=1, starts_in_s=2)
    first = visit(campaign)
    first.buy()
    first.expect_state("confirmed")
    late = visit(campaign, new_visitor())
    # The edge believes what it has heard for 15 s: whoever reads it has his page already.
    looks = visit(campaign, new_visitor())
    looks.expect_open()
    late.buy()
    late.expect_state("sold_out")
    stock = looks.sale.locator("[part=stock]")

    def says_so() -> bool:
        looks.page.reload()
        looks.expect_open()
        return stock.text_content() == "Sold out for now · 1 unit · 1 per person"

    # Who opens the page now reads it before he presses, and may try: a unit may come back. Again,
    # because a browser keeps what it read for 2 s.
    until(says_so, "the page says that it is sold out", pause_s=0.3)
    expect(looks.button).to_have_text("Buy now")
    expect(late.headline).to_have_text("Sold out")
    expect(late.spoken).to_contain_text("Sold out")
    late.shoot("sold-out")
    assert late.purchases()[-1].response() is not None


def test_a_double_click_makes_one_reservation(put_up: PutUp, visit: Visit) -> None:
    shop = visit(put_up("Two clicks", units=5, starts_in_s=2, limit=3))
    shop.expect_open()
    shop.button.dblclick()
    shop.expect_state("confirmed")
    assert len(shop.purchases()) == 1


def test_two_tabs_make_one_reservation(
    put_up: PutUp, visit: Visit, new_visitor: Callable[..., BrowserContext]
) -> None:
    campaign = put_up("Two tabs", units=5, starts_in_s=3, limit=3)
    visitor = new_visitor()
    tabs = [visit(campaign, visitor) for _ in range(2)]
    for tab in tabs:
        tab.expect_open()
    for tab in tabs:
        tab.button.click(no_wait_after=True)
    for tab in tabs:
        tab.expect_state("confirmed")
    # On a busy machine an answer may be late and asked for again, which is the same purchase.
    keys = {one.headers["idempotency-key"] for tab in tabs for one in tab.purchases()}
    assert len(keys) == 1
    assert tabs[0].order_number.inner_text() == tabs[1].order_number.inner_text()


def test_a_reload_finds_the_order_again(put_up: PutUp, visit: Visit) -> None:
    shop = visit(put_up("Reload", units=5, starts_in_s=2, limit=3))
    shop.buy()
    shop.expect_state("confirmed")
    number = shop.order_number.inner_text()
    shop.page.reload()
    shop.expect_state("confirmed")
    expect(shop.order_number).to_have_text(number)
    assert len(shop.purchases()) == 1


def test_it_is_bought_with_the_keyboard_alone(put_up: PutUp, visit: Visit) -> None:
    shop = visit(put_up("Keyboard", units=5, starts_in_s=2))
    shop.expect_open()
    for _ in range(20):
        shop.page.keyboard.press("Tab")
        if shop.button.evaluate("one => one.getRootNode().activeElement === one"):
            break
    shop.page.keyboard.press("Enter")
    shop.expect_state("confirmed")
    # The button is gone; the news that took its place has the focus, and paying is the next stop.
    inside = "one => one.getRootNode().activeElement?.part.value"
    assert shop.card.evaluate(inside) == "status"
    shop.page.keyboard.press("Tab")
    assert shop.card.evaluate(inside) == "pay"


def test_it_speaks_chinese(
    put_up: PutUp, visit: Visit, new_visitor: Callable[..., BrowserContext]
) -> None:
    campaign = put_up("青瓷茶壶", units=5, starts_in_s=2)
    shop = visit(campaign, new_visitor(locale="zh-CN"))
    expect(shop.button).to_have_text("立即抢购", timeout=PATIENCE_MS)
    shop.button.click()
    shop.expect_state("confirmed")
    expect(shop.headline).to_have_text("抢购成功")
    shop.shoot("confirmed-zh")
