"""What is around the sale: the way to a campaign, and to the other language."""

from collections.abc import Callable

from playwright.sync_api import BrowserContext, expect

from tests.e2e.storefront.shop import Shop


def test_a_visitor_finds_out_that_there_is_no_such_campaign(
    new_visitor: Callable[..., BrowserContext], edge: str
) -> None:
    shop = Shop(new_visitor().new_page())
    shop.page.goto(edge)
    expect(shop.page.locator("h1")).to_have_text("A fair place in a short sale")
    shop.shoot("intro")
    shop.page.locator("#campaign").fill("no-such-campaign")
    shop.page.locator("form button").click()
    expect(shop.page.locator(".sorry")).to_contain_text("There is no campaign with this name.")
    shop.page.locator("#language").click()
    expect(shop.page.locator(".sorry")).to_contain_text("没有找到这个活动")
    assert shop.errors == []
