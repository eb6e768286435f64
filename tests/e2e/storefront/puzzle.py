"""The human check as a test meets it: hands like a person's, and the puzzle's right place."""

import random

from playwright.sync_api import Locator, expect

from tests.e2e.record_traces import along, ease, press
from tests.e2e.storefront.shop import Shop

# As robots that mean it do, and as every browser that nobody drives.
UNDRIVEN = "Object.defineProperty(Navigator.prototype, 'webdriver', { get: () => false })"
# Where the hole is stands under the edge's seal (worker/check/seal.ts), whose key a test has.
UNSEAL = """async ([secret, token]) => {
  const bytes = (text) => Uint8Array.from(
    atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
  const [iv, sealed] = token.split(".").map(bytes);
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(secret));
  const key = await crypto.subtle.importKey("raw", hash, "AES-GCM", false, ["decrypt"]);
  const text = await crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, sealed);
  return JSON.parse(new TextDecoder().decode(text)).x;
}"""


def move_and_press(shop: Shop) -> None:
    """Press the button as a person does: moved there by hand, not straight."""
    shop.expect_open()
    box = shop.button.bounding_box()
    assert box is not None
    target = (box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.6)
    choice, at = random.Random(20261126), (40.0, 60.0)
    for goal in ((420.0, 300.0), (180.0, 420.0), target):
        along(shop.page, at, goal, 40, ease, choice, noise=0.7, bow=0.08)
        at = goal
    press(shop.page, 0.09)


def slider_of(shop: Shop) -> Locator:
    """The slider, once it is shown; it has the focus."""
    slider = shop.sale.get_by_role("slider", name="Position of the piece")
    expect(slider).to_be_focused()
    return slider


def place_of(shop: Shop, check_key: str, token: str) -> int:
    """How far right the hole is."""
    return int(shop.page.evaluate(UNSEAL, [f"{check_key}/slider", token]))


def solve_by_keyboard(shop: Shop, slider: Locator, place: int) -> None:
    """Arrow keys to the place, and Enter."""
    slider.focus()
    for _ in range(place):
        shop.page.keyboard.press("ArrowRight")
    expect(slider).to_have_value(str(place))
    shop.page.keyboard.press("Enter")
