"""A rule of the gateway that asks for a check: answered by the puzzle, whatever the score."""

import base64
import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Response, expect

from deploy.local.site import Site
from tests.e2e.conftest import JsonObject
from tests.e2e.storefront.puzzle import (
    UNDRIVEN,
    move_and_press,
    place_of,
    slider_of,
    solve_by_keyboard,
)
from tests.e2e.storefront.shop import LEAD_S, Shop
from tests.e2e.storefront.test_line import wait_until

Visit = Callable[..., Shop]
PutUp = Callable[..., JsonObject]
Challenge = Callable[..., None]

# Each page asks for the check's question at a moment of its own, 8 to 40 s before the start; this
# one as early as any may.
EARLY = "Math.random = () => 1 - Number.EPSILON;"


@pytest.fixture
def challenge(site: Site, stack_environment: dict[str, str]) -> Iterator[Challenge]:
    """A function: from now on a rule of this kind challenges whom it meets at an item."""
    password = (site.state / "admin-password").read_text().strip()
    word = base64.b64encode(f"admin:{password}".encode()).decode()
    rules = f"{stack_environment['SLUICE_CONTROL_PLANE_URL']}/api/v1/risk-rules/"
    headers = {"Authorization": f"Basic {word}", "Content-Type": "application/json"}
    made: list[str] = []

    def tell(method: str, url: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(url, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return bytes(answer.read())

    def put_in_force(campaign: JsonObject, **fields: Any) -> None:
        item = campaign["items"][0]["id"]
        rule = {"item": item, "mode": "enforce", "action": "challenge", "note": "a test"} | fields
        saved = json.loads(tell("POST", rules, json.dumps(rule).encode()))
        made.append(f"{rules}{saved['id']}/")

    yield put_in_force
    for url in made:
        tell("POST", f"{url}end/")


@pytest.fixture
def person(visit: Visit, new_visitor: Callable[..., BrowserContext]) -> Callable[..., Shop]:
    """A function: somebody at the page whom the score does not suspect."""

    def come(campaign: JsonObject) -> Shop:
        visitor = new_visitor()
        visitor.add_init_script(UNDRIVEN)
        visitor.add_init_script(EARLY)
        with visitor.expect_event("response", lambda answer: "/check?" in answer.url):
            return visit(campaign, visitor)

    return come


class Doors:
    """What a page heard at the door and at the gateway, in order."""

    def __init__(self, shop: Shop) -> None:
        self.heard: list[tuple[str, int, str]] = []
        self.token = ""
        shop.page.on("response", self._hear)

    def _hear(self, answer: Response) -> None:
        door = answer.url.rsplit("/", 1)[1]
        if door not in ("entry", "buy"):
            return
        body = answer.json()
        self.token = body.get("slider", {}).get("token", self.token)
        told = (door, answer.status, str(body.get("detail", body.get("outcome", ""))))
        if not self.heard or self.heard[-1] != told:
            self.heard.append(told)


def test_a_network_that_is_challenged_buys_by_the_puzzle(
    put_up: PutUp, person: Callable[..., Shop], challenge: Challenge, stack_environment: Any
) -> None:
    campaign = put_up("Challenged", units=5, starts_in_s=8, human_check=True)
    challenge(campaign, kind="cidr", cidr="127.0.0.0/8")
    shop = person(campaign)
    doors = Doors(shop)
    move_and_press(shop)
    slider = slider_of(shop)
    expect(shop.sentence).to_have_text("Solve the puzzle below to go on.")
    shop.shoot("challenged")
    place = place_of(shop, stack_environment["SLUICE_CHECK_KEY"], doors.token)
    solve_by_keyboard(shop, slider, place)
    shop.expect_state("confirmed")
    assert doors.heard == [
        ("entry", 200, ""),
        ("buy", 403, "puzzle"),
        ("entry", 403, "one more question"),
        ("entry", 200, ""),
        ("buy", 200, "reserved"),
    ]
    assert shop.most_in_flight == 1
    assert shop.errors == []


def test_who_is_denied_is_told_so_and_a_puzzle_does_not_help(
    put_up: PutUp, visit: Visit, challenge: Challenge, stack_environment: dict[str, str]
) -> None:
    campaign = put_up("Denied", units=5, starts_in_s=8, human_check=True)
    challenge(campaign, kind="cidr", cidr="127.0.0.0/8", priority=1)
    challenge(campaign, kind="cidr", cidr="127.0.0.0/9", action="deny", priority=2)
    # Driven, so that the edge asks for the puzzle by itself: his first token says that he passed.
    shop = visit(campaign)
    doors = Doors(shop)
    shop.buy()
    slider = slider_of(shop)
    place = place_of(shop, stack_environment["SLUICE_CHECK_KEY"], doors.token)
    solve_by_keyboard(shop, slider, place)
    shop.expect_state("denied")
    expect(shop.headline).to_have_text("Not possible")
    shop.shoot("denied")
    assert [told[:2] for told in doors.heard] == [("entry", 403), ("entry", 200), ("buy", 403)]


def test_a_device_that_is_challenged_in_the_line_keeps_its_place(
    put_up: PutUp,
    person: Callable[..., Shop],
    challenge: Challenge,
    frozen: Callable[..., Any],
    stack_environment: dict[str, str],
) -> None:
    campaign = put_up("In line", units=5, starts_in_s=LEAD_S, human_check=True, queue_mode="fifo")
    shop = person(campaign)
    doors = Doors(shop)
    wait_until(campaign["start_ms"] - 1500)
    with frozen("queue-controller"):
        move_and_press(shop)
        shop.expect_state("queued")
        ticket = shop.kept()["ticket"]
        entry = next(one for one in shop.sent if one.url.endswith("/entry"))
        device = json.loads(entry.post_data or "")["device"]
        challenge(campaign, kind="device", value=device)
        slider = slider_of(shop)
        shop.expect_state("queued")
        shop.shoot("challenged-in-line")
        place = place_of(shop, stack_environment["SLUICE_CHECK_KEY"], doors.token)
        solve_by_keyboard(shop, slider, place)
        expect(slider).to_have_count(0)
        shop.expect_state("queued")
        assert shop.kept()["ticket"] == ticket
    shop.expect_state("confirmed")
    assert len({one.headers["idempotency-key"] for one in shop.purchases()}) == 1
    assert ("buy", 403, "puzzle") in doors.heard
