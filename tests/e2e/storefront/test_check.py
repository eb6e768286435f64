"""The human check in the browser: who moves like a person passes, others get a puzzle."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Locator, expect

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
