"""The human check in the browser: who moves like a person passes, others get a puzzle."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Route, expect

from tests.e2e.conftest import JsonObject
from tests.e2e.storefront.puzzle import (
    UNDRIVEN,
    move_and_press,
    place_of,
    slider_of,
    solve_by_keyboard,
)
from tests.e2e.storefront.shop import Shop

Visit = Callable[..., Shop]
PutUp = Callable[..., JsonObject]
NewVisitor = Callable[..., BrowserContext]

HASTE = """const real = setTimeout;
window.setTimeout = (work, ms, ...rest) => real(work, ms === 121_000 ? 1_000 : ms, ...rest);"""
INSIDE = "one => one.getRootNode().activeElement?.part.value"


@pytest.fixture
def checked(put_up: PutUp) -> JsonObject:
    """A sale that asks for the check."""
    return put_up("Teapot", units=5, starts_in_s=2, human_check=True)


def puzzle_of(shop: Shop) -> tuple[Locator, str]:
    """Press the button; the slider, and the token of its puzzle."""
    shop.expect_open()
    with shop.page.expect_response(
        lambda answer: answer.url.endswith("/entry") and answer.status == 403
    ) as refused:
        shop.button.click()
    return slider_of(shop), str(refused.value.json()["slider"]["token"])


def expect_bought(shop: Shop) -> None:
    """Wait for the order; the puzzle is gone, and nothing went wrong on the way."""
    shop.expect_state("confirmed")
    expect(shop.sale.get_by_role("slider")).to_have_count(0)
    assert len(shop.purchases()) == 1
    assert shop.errors == []


def test_who_waits_quietly_and_then_moves_like_a_person_sees_no_puzzle(
    checked: JsonObject, visit: Visit, new_visitor: NewVisitor
) -> None:
    visitor = new_visitor()
    visitor.add_init_script(UNDRIVEN)
    with visitor.expect_event("response", lambda answer: "/check?" in answer.url):
        shop = visit(checked, visitor)
    # The work has begun and nothing was moved: what follows is all that there is to judge.
    move_and_press(shop)
    expect_bought(shop)
    assert [one.url.rsplit("/", 1)[1] for one in shop.sent if one.method == "POST"] == [
        "entry",
        "buy",
    ]


def test_a_driven_browser_gets_the_puzzle_and_buys_with_the_keyboard(
    checked: JsonObject, visit: Visit, stack_environment: dict[str, str]
) -> None:
    shop = visit(checked)
    slider, token = puzzle_of(shop)
    shop.shoot("slider")
    place = place_of(shop, stack_environment["SLUICE_CHECK_KEY"], token)
    solve_by_keyboard(shop, slider, place)
    expect_bought(shop)
    # What had the focus is gone; the news has it.
    assert shop.card.evaluate(INSIDE) == "status"


def test_who_hides_that_he_is_driven_and_presses_without_a_hand_gets_the_puzzle(
    checked: JsonObject, visit: Visit, new_visitor: NewVisitor, stack_environment: dict[str, str]
) -> None:
    visitor = new_visitor()
    visitor.add_init_script(UNDRIVEN)
    shop = visit(checked, visitor)
    assert shop.page.evaluate("navigator.webdriver") is False
    # Playwright's click: there at once, and nothing was moved before it.
    slider, token = puzzle_of(shop)
    place = place_of(shop, stack_environment["SLUICE_CHECK_KEY"], token)
    solve_by_keyboard(shop, slider, place)
    expect_bought(shop)


def test_of_two_tabs_the_one_without_the_puzzle_says_where_it_is(
    checked: JsonObject, visit: Visit, new_visitor: NewVisitor
) -> None:
    visitor = new_visitor()
    shop = visit(checked, visitor)
    puzzle_of(shop)
    other = visit(checked, visitor)
    expect(shop.sentence).to_have_text("Solve the puzzle below to go on.")
    expect(other.sentence).to_have_text("Solve the puzzle in the other tab to go on.")
    expect(other.spoken).to_contain_text("in the other tab")
    expect(other.sale.get_by_role("slider")).to_have_count(0)
    other.shoot("puzzle-elsewhere")
    # Its tab goes, so the turn comes here and with it the puzzle.
    shop.page.close()
    slider_of(other)
    expect(other.sentence).to_have_text("Solve the puzzle below to go on.")


def test_a_puzzle_whose_time_is_up_is_renewed_and_nothing_is_lost(
    checked: JsonObject, visit: Visit, new_visitor: NewVisitor
) -> None:
    visitor = new_visitor()
    # Its two minutes last a second here; that the edge gives another one its own tests know.
    visitor.add_init_script(HASTE)
    shop = visit(checked, visitor)
    asked: list[dict[str, Any]] = []

    def renew(route: Route) -> None:
        sent = json.loads(route.request.post_data or "")
        if sent["check"]["provider"] != "slider":
            answer = route.fetch()
            asked.append(answer.json())
            route.fulfill(response=answer)
        elif len(asked) == 1:
            asked.append({**asked[0], "slider": {**asked[0]["slider"], "renewed": True}})
            asked[1]["slider"]["lasts_ms"] = 10_000_000
            route.fulfill(status=403, json=asked[1])
        else:
            route.abort()

    shop.page.route("**/entry", renew)
    shop.buy()
    note = shop.sale.get_by_text("Here is a new one; nothing is lost.")
    expect(note).to_be_visible()
    slider_of(shop)
    expect(shop.sentence).to_have_text("Solve the puzzle below to go on.")
    assert shop.kept()["checks"] == 0
    shop.shoot("slider-renewed")


def test_who_cannot_see_the_picture_goes_on_without_it(checked: JsonObject, visit: Visit) -> None:
    shop = visit(checked)
    puzzle_of(shop)
    shop.sale.get_by_role("button", name="Continue without the picture").press("Enter")
    expect_bought(shop)
    assert shop.card.evaluate(INSIDE) == "status"


def test_a_wrong_place_gets_another_picture(checked: JsonObject, visit: Visit) -> None:
    shop = visit(checked)
    slider, _ = puzzle_of(shop)
    with shop.page.expect_response(lambda answer: answer.url.endswith("/entry")) as refused:
        slider.press("Enter")
    assert refused.value.status == 403
    expect(slider).to_be_focused()
    expect(slider).to_have_value("0")


def test_three_wrong_places_are_the_end_and_another_try_begins_anew(
    checked: JsonObject, visit: Visit
) -> None:
    shop = visit(checked)
    slider, _ = puzzle_of(shop)
    for _ in range(3):
        expect(slider).to_have_value("0")
        with shop.page.expect_response(lambda answer: answer.url.endswith("/entry")):
            slider.press("Enter")
    shop.expect_state("challenge")
    expect(shop.headline).to_have_text("The check did not work out")
    shop.shoot("challenge")
    puzzle_of(shop)
    assert shop.purchases() == []
