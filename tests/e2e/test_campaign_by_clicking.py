"""A campaign from its first field to its settlement, by clicking: all real, two people and buyers.

The screenshots it leaves in var/e2e/screens are for somebody to look at.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from deploy.local.site import Site
from tests.e2e.accounts import Account, accounts, log_in
from tests.e2e.chromium import DEADLINE_MS, chromium, complaints
from tests.e2e.conftest import JsonObject, wait_for
from tests.e2e.storefront.shop import SCREENS
from tests.e2e.test_campaign_on_time import ask
from tests.e2e.test_payment import BUY_PAUSE_S, Shopper
from tests.redis.waiting import until

LIMIT_S = 120.0
# Long enough for two people to click, on a busy machine, before it opens.
LEAD = timedelta(seconds=60)
LASTS = timedelta(seconds=90)
LATER = timedelta(minutes=30)
DESK = ViewportSize(width=1360, height=900)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


class Person:
    """Somebody at the console; every page is watched for errors of its own."""

    def __init__(self, browser: Browser, origin: str, account: Account) -> None:
        context = browser.new_context(viewport=DESK, locale="en-GB", reduced_motion="reduce")
        context.set_default_timeout(DEADLINE_MS)
        self.page: Page = context.new_page()
        self.errors = complaints(self.page)
        self.origin = origin
        log_in(self.page, origin, account)
        expect(self.page.locator("a[href*='/admin/campaigns/campaign/']").first).to_be_attached()

    def open(self, path: str) -> None:
        """A page of the admin."""
        self.page.goto(f"{self.origin}{path}")

    def press(self, name: str) -> None:
        """The link or button of this name."""
        link = self.page.get_by_role("link", name=name, exact=True)
        (link.first if link.count() else self.button(name)).click()

    def button(self, name: str) -> Any:
        """That sends a form."""
        return self.page.get_by_role("button", name=name, exact=True).last

    def do(self, name: str, said: str, **fields: str) -> None:
        """Press it, fill in what it asks, press it again, and be told so."""
        self.press(name)
        for field, value in fields.items():
            self.page.fill(f"[name={field}]", value)
        self.button(name).click()
        expect(self.page.get_by_text(said).first).to_be_visible()

    def theme(self, name: str) -> None:
        """As the button in the corner would set it."""
        self.page.evaluate("name => localStorage.setItem('adminTheme', JSON.stringify(name))", name)
        self.page.reload()

    def shoot(self, name: str) -> None:
        """A picture of the whole page."""
        SCREENS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENS / f"campaign-{name}.png", full_page=True)


@pytest.fixture
def people(site: Site, browser: Browser, stack_environment: dict[str, str]) -> Any:
    """Two marketers and an operator."""
    made = accounts(stack_environment, ann="marketer", bob="marketer", opal="operator")
    origin = f"http://127.0.0.1:{site.port('gateway-console')}"
    return {who: Person(browser, origin, account) for who, account in made.items()}


def _wall(moment: datetime) -> tuple[str, str]:
    """As the clocks of Shanghai show it."""
    there = moment + timedelta(hours=8)
    return f"{there:%Y-%m-%d}", f"{there:%H:%M:%S}"


def _fill_in(person: Person, slug: str, starts_at: datetime, ends_at: datetime) -> None:
    page = person.page
    person.open("/admin/campaigns/campaign/add/")
    # The slug follows the title until somebody types one.
    page.locator("[name=slug]").press_sequentially(slug)
    page.fill("[name=title]", "Spring tea")
    page.select_option("[name=merchant]", label="Demo shop")
    page.select_option("[name=time_zone]", "Asia/Shanghai")
    for name, moment in (("starts_at", starts_at), ("ends_at", ends_at)):
        for part, text in zip(("0", "1"), _wall(moment), strict=True):
            page.fill(f"[name={name}_{part}]", text)
    page.uncheck("[name=human_check]")
    row = {"sku": slug.upper(), "title": "Green tea", "units": "3", "price_minor": "1999"}
    for field, value in row.items():
        page.fill(f"[name=items-0-{field}]", value)


def _item_of(edge: str, slug: str) -> JsonObject:
    """The item, once the gateway knows it."""
    path = f"{edge}/v1/campaigns/{slug}"
    wait_for(lambda: ask(path)[0] == 200, "the gateway to know the campaign", LIMIT_S)
    return {"id": ask(path)[1]["items"][0]["id"]}


def _buys(edge: str, item: JsonObject, name: str) -> Shopper:
    shopper = Shopper(edge, item, f"{name}-{time.time_ns():x}")
    until(lambda: shopper.buy() == "reserved", f"{name} gets a unit", LIMIT_S, BUY_PAUSE_S)
    wait_for(lambda: shopper.has("confirmed"), f"{name}'s order is confirmed", LIMIT_S)
    assert shopper.pay()[0] < 300
    wait_for(lambda: shopper.has("paid"), f"{name} has paid", LIMIT_S)
    return shopper


def _made(ann: Person, slug: str) -> tuple[str, datetime]:
    """A mistake is explained, what will happen is told. The page of the draft, and its end."""
    starts_at = datetime.now(UTC).replace(microsecond=0) + LEAD
    _fill_in(ann, slug, starts_at, starts_at + LASTS)
    ann.page.fill("[name=items-0-limit_per_shopper]", "4")
    ann.shoot("form")
    ann.button("Save and continue editing").click()
    mistake = ann.page.get_by_text("One shopper cannot be promised 4 of 3 units.")
    expect(mistake).to_be_visible()
    ann.shoot("mistake")
    ann.page.fill("[name=items-0-limit_per_shopper]", "1")
    starts_at = datetime.now(UTC).replace(microsecond=0) + LEAD
    ends_at = starts_at + LASTS
    for name, moment in (("starts_at", starts_at), ("ends_at", ends_at)):
        for part, text in zip(("0", "1"), _wall(moment), strict=True):
            ann.page.fill(f"[name={name}_{part}]", text)
    ann.button("Save and continue editing").click()
    expect(ann.page.get_by_role("heading", name="What will happen")).to_be_visible()
    ann.shoot("draft")
    path = ann.page.url.removeprefix(ann.origin)
    ann.do("Submit for approval", "waits for its approval", comment="Please look at the price.")
    return path, ends_at


def _approved(bob: Person, path: str) -> None:
    """By another, who sees in words what it is."""
    bob.open(path)
    bob.press("Approve")
    expect(bob.page.get_by_text("3 units at ¥19.99").first).to_be_visible()
    bob.shoot("approve")
    bob.button("Approve").click()
    expect(bob.page.get_by_text("is approved and published").first).to_be_visible()


def _extended(opal: Person, ends_at: datetime) -> None:
    """By the clocks of Shanghai."""
    opal.press("Move the end")
    for part, text in zip(("0", "1"), _wall(ends_at), strict=True):
        opal.page.fill(f"[name=ends_at_{part}]", text)
    opal.page.fill("[name=reason]", "The post was late")
    opal.shoot("extend")
    opal.button("Move the end").click()
    expect(opal.page.get_by_text("The end of “Spring tea” is moved.").first).to_be_visible()


def _settled(opal: Person, path: str) -> str:
    """What its timeline says once it is."""
    opal.open(path.replace("/change/", "/timeline/"))

    def is_settled() -> bool:
        opal.page.reload()
        return bool(opal.page.get_by_text("Settled:").count())

    until(is_settled, "the campaign is settled", LIMIT_S, 2)
    opal.shoot("timeline")
    opal.page.set_viewport_size({"width": 390, "height": 844})
    opal.shoot("timeline-phone")
    return opal.page.locator("ol.timeline").inner_text()


TOLD = (
    "Created",
    "Submitted for approval",
    "Please look at the price.",
    "Approved and published",
    "The sale opened",
    "End moved from",
    "Switch thrown · Selling: off",
    "Resumed",
    "2 units added",
    "Ended early",
    "3 of 5 units sold, 3 orders paid",
)


def test_a_campaign_is_made_approved_sold_steered_and_settled_by_clicking(
    people: Any, stack_environment: dict[str, str]
) -> None:
    ann, bob, opal = people["ann"], people["bob"], people["opal"]
    edge = stack_environment["SLUICE_EDGE_URL"]
    slug = f"click-{time.time_ns():x}"
    path, ends_at = _made(ann, slug)
    _approved(bob, path)

    # The sale opens by itself; somebody buys. Its end is moved before it comes.
    item = _item_of(edge, slug)
    _buys(edge, item, "carl")
    opal.open(path)
    opal.shoot("live")
    opal.theme("dark")
    opal.shoot("live-dark")
    opal.theme("light")
    _extended(opal, ends_at + LATER)

    # Paused, nobody buys; resumed, and past the old end, somebody does.
    opal.do("Pause", "is paused", reason="A wrong picture")
    opal.shoot("paused")
    dora = Shopper(edge, item, f"dora-{time.time_ns():x}")
    until(lambda: dora.buy() == "busy", "nobody buys", LIMIT_S, BUY_PAUSE_S)
    opal.do("Resume", "is resumed", reason="The right one")
    until(lambda: datetime.now(UTC) > ends_at, "the old end has passed", LIMIT_S)
    _buys(edge, item, "emma")

    # Units are added and sold. Ended by hand, it settles by itself.
    opal.do("Add units", "2 units added.", qty="2", reason="Found in the cellar")
    _buys(edge, item, "finn")
    opal.do("End now", "has ended", reason="Enough for today")
    told = _settled(opal, path)
    assert [words for words in TOLD if words not in told] == []
    assert [one.errors for one in people.values()] == [[], [], []]
