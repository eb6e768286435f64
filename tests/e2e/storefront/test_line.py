"""Waiting in line: seen, kept over a reload, and over."""

import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.e2e.conftest import JsonObject, wait_for
from tests.e2e.storefront.shop import LEAD_S, Shop
from tests.e2e.test_queue import Sale

UNITS = 8
BEFORE_HIM = 3


def test_who_waits_keeps_his_place_over_a_reload_and_is_served(
    put_up: Callable[..., JsonObject],
    visit: Callable[..., Shop],
    frozen: Callable[..., Any],
    stack_environment: dict[str, str],
) -> None:
    campaign = put_up("In line", units=UNITS, starts_in_s=LEAD_S, queue_mode="fifo")
    sale = Sale(campaign, stack_environment)
    shop = visit(campaign)
    wait_until(campaign["start_ms"] - 1500)
    # The window stands while its controller does, so that everybody has to wait.
    with frozen("queue-controller"):
        for number in range(BEFORE_HIM):
            take_a_place(sale, f"before-{number}")
        shop.buy()
        shop.expect_state("queued")
        expect(shop.place).to_have_text(f"{BEFORE_HIM} before you")
        expect(shop.spoken).to_contain_text("before you")
        shop.shoot("queued")
        ticket = shop.kept()["ticket"]

        shop.page.reload()
        shop.expect_state("queued")
        assert shop.kept()["ticket"] == ticket
        expect(shop.place).to_have_text(f"{BEFORE_HIM} before you")
    shop.expect_state("confirmed")
    assert len({one.headers["idempotency-key"] for one in shop.purchases()}) == 1
    assert shop.most_in_flight == 1


def test_who_joined_the_draw_goes_in_by_himself(
    put_up: Callable[..., JsonObject], visit: Callable[..., Shop]
) -> None:
    campaign = put_up("The draw", units=UNITS, starts_in_s=LEAD_S, queue_mode="draw")
    shop = visit(campaign)
    expect(shop.button).to_have_text("Join the draw")
    shop.button.click()
    shop.expect_state("lobby")
    expect(shop.sentence).to_contain_text("Your number is 0.")
    shop.shoot("lobby")
    shop.expect_state("confirmed")
    assert '"ticket":' in (shop.purchases()[0].post_data or "")
    link = shop.page.locator("flash-sale a[href^='/draw/']")
    assert link.is_visible()
    query, told = (link.get_attribute("href") or "").split("#")
    commit = shop.kept()["commit"]
    assert query == f"/draw/{campaign['items'][0]['id']}?lang=en"
    assert told == f"number=0&bucket=regular&commit={commit}"
    link.click()
    # The page has his number and the hash, and says his place.
    expect(shop.page.get_by_label("Your lobby number or your ticket")).to_have_value("0")
    expect(shop.page.get_by_role("textbox", name="The fingerprint")).to_have_value(commit)


def wait_until(moment_ms: int) -> None:
    assert time.time() * 1000 < moment_ms, "what comes before took longer"
    wait_for(lambda: time.time() * 1000 >= moment_ms, "the moment before the start")


def take_a_place(sale: Sale, name: str) -> None:
    """Enter and ask once to buy; the answer must be a place."""
    entry = wait_for(lambda: sale.door(name, "entry"), f"{name} to be let in")

    def has_a_place() -> bool:
        wish = {"qty": 1}
        _, answer = sale.shopper(name).post(entry["buy_url"], wish, entry["entry_token"])
        return bool(answer.get("outcome") == "queued")

    wait_for(has_a_place, f"{name} to be in line")
