"""The start is the server's, whatever the visitor's clock says."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from tests.e2e.conftest import JsonObject
from tests.e2e.storefront.shop import LEAD_S, Shop

FIVE_MINUTES_MS = 300_000
WRONG_CLOCK = """
const now = Date.now.bind(Date), RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...all) { super(...(all.length ? all : [now() + OFF_MS])); }
  static now() { return now() + OFF_MS; }
};
"""


@pytest.mark.parametrize("off_ms", [-FIVE_MINUTES_MS, FIVE_MINUTES_MS])
def test_a_clock_that_is_wrong_by_five_minutes_changes_nothing(
    put_up: Callable[..., JsonObject],
    visit: Callable[..., Shop],
    new_visitor: Callable[..., BrowserContext],
    off_ms: int,
) -> None:
    campaign = put_up("Wrong clock", units=5, starts_in_s=LEAD_S)
    visitor = new_visitor()
    visitor.add_init_script(WRONG_CLOCK.replace("OFF_MS", str(off_ms)))
    shop = visit(campaign, visitor)
    expect(shop.button).to_have_text("Not open yet")
    minutes = shop.sale.locator("[part=countdown] b").nth(2)
    expect(minutes).to_have_text("00")
    shop.button.click(force=True)  # too early: nothing happens
    assert shop.sent == []
    shop.buy()
    shop.expect_state("confirmed")
    # The first to be let in was let in: it did not open before the server did.
    assert [one.response().status for one in shop.sent if one.url.endswith("/entry")] == [200]  # type: ignore[union-attr]


def test_who_is_too_early_all_the_same_waits_the_exact_time(
    put_up: Callable[..., JsonObject],
    visit: Callable[..., Shop],
    new_visitor: Callable[..., BrowserContext],
) -> None:
    campaign = put_up("Too early", units=5, starts_in_s=LEAD_S)
    visitor = new_visitor()

    def a_minute_ahead(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={"now_ms": answer.json()["now_ms"] + 60_000})

    visitor.route("**/v1/time", a_minute_ahead)
    shop = visit(campaign, visitor)
    shop.buy()
    expect(shop.sentence).to_have_text("A little early. You go in when the clock reaches zero.")
    shop.expect_state("confirmed")
    doors = [one for one in shop.sent if one.url.endswith("/entry")]
    assert next(one.response().status for one in doors) == 425  # type: ignore[union-attr]
    assert len(doors) <= 3
