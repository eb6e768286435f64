"""The page that checks a draw, in a real browser: right records hold, changed ones do not."""

from hashlib import sha256

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from control_plane.queues.places import Places
from deploy.local.site import Site
from tests.e2e.chromium import chromium, complaints, keeps_nobody_out, open_page, shoot

SIZES = [5, 40]
BUCKET, NUMBER = 1, 12

# A campaign with a draw, whose lobby closed: SIZES joined.
MAKE = f"""
import json, time
from datetime import timedelta
from django.utils import timezone
from control_plane.campaigns import services
from control_plane.merchants.services import ensure_demo_merchant
from control_plane.queues import services as queues
now = timezone.now()
campaign = services.create_draft(
    ensure_demo_merchant(), slug=f"draw-{{time.time_ns():x}}", title="Draw",
    starts_at=now + timedelta(hours=1), ends_at=now + timedelta(hours=2),
    items=[dict(sku=f"{{sku}}-{{time.time_ns():x}}", title=sku, units=3, price_minor=1999,
                queue_mode="draw")
           for sku in ("DRAWN", "WAITING")],
    buckets=[dict(name="vip", weight=10), dict(name="regular", weight=10)])
services.approve(campaign, None, now)
drawn, waiting = campaign.items.order_by("pk")
queues.reveal(drawn.pk, {SIZES}, ["vip", "regular"], now)
drawn.draw.refresh_from_db()
print(json.dumps(dict(drawn=drawn.pk, waiting=waiting.pk, seed=drawn.draw.seed,
                      commit=drawn.draw.commit)))
"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def drawn(manage):
    """Items `drawn` and `waiting`, and what was drawn."""
    return manage("shell", "--verbosity", "0", "-c", MAKE)


@pytest.fixture
def address(site: Site):
    return lambda item, more="": f"http://127.0.0.1:{site.port('edge')}/draw/{item}{more}"


def place(drawn) -> int:
    return Places(bytes.fromhex(drawn["seed"]), drawn["drawn"], BUCKET, SIZES[BUCKET]).place_of(
        NUMBER
    )


def changed(page: Page, drawn, **fields) -> None:
    """From now on the page gets a record that somebody changed on its way."""

    def tamper(route: Route) -> None:
        record = route.fetch().json()
        route.fulfill(json=record | fields)

    page.route(f"**/v1/draws/{drawn['drawn']}", tamper)


def ask(page: Page, holder: str, commit: str = "") -> None:
    page.get_by_label("Your lobby number or your ticket").fill(holder)
    page.get_by_label("Your group").select_option(str(BUCKET))
    page.get_by_label("The fingerprint you saw").fill(commit)
    page.get_by_role("button", name="Find my place").click()


def test_a_shopper_finds_his_place(browser: Browser, address, drawn):
    page = open_page(browser)
    heard = complaints(page)
    page.goto(address(drawn["drawn"]))
    expect(page.get_by_text("The seed is the one that was promised")).to_be_visible()
    ask(page, str(NUMBER), drawn["commit"])
    expect(page.locator(".result")).to_contain_text(f"Place {place(drawn)}")
    expect(page.locator(".result")).to_contain_text("also the one that you saw before")
    keeps_nobody_out(page)
    assert heard == []


def test_a_link_with_his_number_checks_at_once_and_tells_nobody(browser: Browser, address, drawn):
    page = open_page(browser)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address(drawn["drawn"], f"?lang=zh#number={NUMBER}&bucket={BUCKET}"))
    expect(page.locator(".result")).to_contain_text(f"位次 {place(drawn)}")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    assert not [url for url in asked if "number=" in url.partition("#")[0]]


def test_the_whole_list_is_checked(browser: Browser, address, drawn):
    page = open_page(browser)
    page.goto(address(drawn["drawn"]))
    page.get_by_role("button", name="Check the whole list").click()
    expect(page.get_by_text(f"All {sum(SIZES)} places of the published list")).to_be_visible()


def test_a_list_with_two_places_exchanged_is_refused(browser: Browser, address, drawn):
    page = open_page(browser)

    def exchange(route: Route) -> None:
        lines = route.fetch().text().splitlines(keepends=True)
        first, second = (line.rpartition(",") for line in lines[1:3])
        lines[1], lines[2] = f"{first[0]},{second[2]}", f"{second[0]},{first[2]}"
        route.fulfill(body="".join(lines), content_type="text/csv")

    page.route("**/record.csv", exchange)
    page.goto(address(drawn["drawn"]))
    page.get_by_role("button", name="Check the whole list").click()
    expect(page.get_by_text("This record does not hold")).to_be_visible()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"seed": "ab" * 32}, "it is not the one that was promised"),
        ({"commit": "ab" * 32}, "it is not the one that was promised"),
        ({"item": 1}, "of another item (1)"),
        ({"algorithm": "ours"}, "does not know (ours)"),
        ({"sizes": [5]}, "how many joined"),
        ({"seed": "<img src=x>"}, "cannot be read"),
    ],
    ids=["seed", "commit", "item", "algorithm", "sizes", "nonsense"],
)
def test_a_changed_record_is_refused(browser: Browser, address, drawn, fields, reason):
    page = open_page(browser)
    changed(page, drawn, **fields)
    page.goto(address(drawn["drawn"]))
    refusal = page.locator(".status.bad")
    expect(refusal).to_contain_text("This record does not hold")
    expect(refusal).to_contain_text(reason)
    expect(page.get_by_role("button", name="Find my place")).to_have_count(0)


def test_a_seed_and_fingerprint_that_were_both_changed_are_told_by_what_he_saw(
    browser: Browser, address, drawn
):
    """The record fits itself; only whoever kept the commitment can tell."""
    other = "11" * 32
    page = open_page(browser)
    changed(page, drawn, seed=other, commit=sha256_of_hex(other))
    page.goto(address(drawn["drawn"]))
    ask(page, str(NUMBER), drawn["commit"])
    expect(page.locator(".result .status.bad")).to_contain_text("not the one that you saw")


@pytest.mark.parametrize(
    ("typed", "answer"),
    [("40", "Lobby number 40 did not take part"), ("me", "neither a lobby number nor a ticket")],
)
def test_what_he_mistypes_says_nothing_against_the_record(
    browser: Browser, address, drawn, typed, answer
):
    page = open_page(browser)
    page.goto(address(drawn["drawn"]))
    ask(page, typed)
    expect(page.locator(".result .status.info")).to_contain_text(answer)
    expect(page.locator(".status.bad")).to_have_count(0)


def test_before_the_reveal_it_says_so(browser: Browser, address, drawn):
    page = open_page(browser)
    page.goto(address(drawn["waiting"]))
    expect(page.get_by_text("Not drawn yet")).to_be_visible()
    keeps_nobody_out(page)


def test_no_answer_is_no_verdict_and_can_be_tried_again(browser: Browser, address, drawn):
    page = open_page(browser)
    pattern = f"**/v1/draws/{drawn['drawn']}"
    page.route(pattern, lambda route: route.abort())
    page.goto(address(drawn["drawn"]))
    expect(page.get_by_text("That says nothing about the draw.")).to_be_visible()
    expect(page.locator(".status.bad")).to_have_count(0)
    page.unroute(pattern)
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("The seed is the one that was promised")).to_be_visible()


@pytest.mark.parametrize("size", ["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_how_it_looks(browser: Browser, address, drawn, size, scheme, lang):
    page = open_page(browser, size, scheme)
    page.goto(address(drawn["drawn"], f"?lang={lang}#number={NUMBER}&bucket={BUCKET}"))
    expect(page.locator(".result .status.good")).to_be_visible()
    shoot(page, f"draw-{lang}-{scheme}-{size}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls aside"


def sha256_of_hex(text: str) -> str:
    return sha256(bytes.fromhex(text)).hexdigest()
