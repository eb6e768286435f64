"""The board during a small sale: it moves, it is honest about its age, and its totals are true."""

import json
import re
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest
from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as WaitedInVain

from deploy.local.site import ROOT, Site
from tests.e2e.accounts import administrator, console_of, log_in
from tests.e2e.chromium import chromium, complaints, open_page, shoot_all
from tests.e2e.conftest import JsonObject, begin_sale, wait_for
from tests.e2e.storefront.shop import serious_findings

DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
SOLD = {"shoppers": 400, "units": 80}


def wait_until_live(page: Page) -> None:
    """It has heard of now; else why not, as far as the page knows."""
    try:
        page.wait_for_selector(".age[data-trust=live]")
    except WaitedInVain as error:
        told = page.evaluate(
            """() => ({
                hidden: document.hidden,
                text: document.body.innerText.slice(0, 300),
                asked: performance.getEntriesByType("resource")
                    .filter((call) => call.name.includes("/board/"))
                    .map((call) => [call.name, call.responseStatus, Math.round(call.duration)])
                    .slice(-8),
            })"""
        )
        raise AssertionError(f"the board is not live: {told}") from error


class Watched:
    """A small sale with the board open beside it, and what both said."""

    def __init__(self, page: Page, complained: list[str], summary: JsonObject) -> None:
        self.page, self.complained, self.summary = page, complained, summary
        self.lefts: list[str] = []

    def now(self) -> JsonObject:
        """The document as an open page gets it."""
        document: JsonObject = self.page.evaluate(
            """async () => {
                const { pass } = await (await fetch("/board/pass.json")).json();
                const headers = { authorization: `Bearer ${pass}` };
                return await (await fetch("/board/now.json", { headers })).json();
            }"""
        )
        return document

    def sale(self) -> JsonObject:
        """The one campaign that is watched: nothing else runs that began later."""
        sales: list[JsonObject] = self.now()["campaigns"]
        return max(sales, key=lambda sale: sale["starts_ms"])


@pytest.fixture(scope="module")
def watched(
    site: Site, module_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    """One sale for all of these tests."""
    with chromium() as browser:
        page = open_page(browser)
        heard = complaints(page)
        log_in(page, console_of(site), administrator(site), "/board/")
        wait_until_live(page)
        folder = tmp_path_factory.mktemp("sale")
        running = begin_sale(module_environment, folder, seed=71, spike_s=3.0, **SOLD)
        watched = Watched(page, heard, {})
        counts = page.locator(".item:first-child .left-count")
        wait_for(
            lambda: counts.count() and counts.inner_text() == "80", "the item on the board", 120
        )
        wait_for(lambda: counts.inner_text() not in ("80", "–"), "the first units to go", 120)
        watched.lefts.append(counts.inner_text())
        watched.summary = running.finish()
        wait_for(lambda: counts.inner_text() == "0", "the last unit to go", 120)
        yield watched


@pytest.fixture(scope="module")
def module_environment(stack_environment: dict[str, str]) -> dict[str, str]:
    """The session's, by a name of this module."""
    return stack_environment


def test_its_totals_are_postgresqls(watched: Watched, module_environment: dict[str, str]) -> None:
    item = watched.sale()["items"][0]
    with (
        psycopg2.connect(module_environment["SLUICE_SALE_DSN"]) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "SELECT count(*), coalesce(sum(qty), 0) FROM orders_order WHERE item_id = %s",
            [item["id"]],
        )
        orders, units = cursor.fetchone() or (None, None)
    assert (orders, units) == (80, 80)
    told = item["units"]
    assert (told["orders"], told["unpaid"] + told["paid"]) == (orders, units)
    assert (told["total"], told["left"], told["drift"], told["oversold"]) == (80, 0, 0, 0)


def test_its_funnel_is_what_the_shoppers_heard(watched: Watched) -> None:
    answers = watched.summary["answers"]

    def agrees() -> bool:
        document = watched.now()
        funnel = {one["stage"]: one["total"] for one in document["funnel"]}
        refused = {one["code"]: one["total"] for one in document["refusals"]}
        heard = {name.removeprefix("buy "): n for name, n in answers.items() if "buy " in name}
        return bool(
            funnel["entry"] == answers["entry entered"]
            and funnel["buy"] == sum(heard.values())
            and funnel["reserved"] == heard["reserved"]
            and funnel["confirmed"] == watched.summary["confirmed"]
            and refused == {code: n for code, n in heard.items() if code != "reserved"}
        )

    # Prometheus is a second or two behind the last click.
    wait_for(agrees, f"the board to say {answers}")


def test_the_equation_is_filled_in_and_green(watched: Watched) -> None:
    equation = watched.page.locator(".equation").first
    assert "broken" not in (equation.get_attribute("class") or "")
    numbers = [int(text) for text in equation.locator(".value").all_inner_texts()]
    assert numbers[0] == sum(numbers[1:]) == 80


def test_it_says_how_old_it_is_and_comes_back(watched: Watched) -> None:
    page = watched.page
    page.route("**/board/now.json", lambda route: route.abort())
    page.wait_for_selector(".age[data-trust=late]")
    assert re.search(r"data is \d+ s old", page.inner_text(".age"))
    page.unroute("**/board/now.json")
    wait_until_live(page)


def test_an_alert_that_wakes_somebody_is_on_the_board_in_seconds(
    watched: Watched, site: Site
) -> None:
    name = f"Tried{time.time_ns():x}"
    since = datetime.now(UTC)
    _alert(site, name, since)
    shown = watched.page.locator(".alerts li.p1", has_text=name)
    shown.wait_for()
    _alert(site, name, since, ends=datetime.now(UTC))
    shown.wait_for(state="detached")


def _alert(site: Site, name: str, since: datetime, ends: datetime | None = None) -> None:
    """As Prometheus would tell it to Alertmanager."""
    over = ends or datetime.now(UTC) + timedelta(minutes=5)
    alert: dict[str, Any] = {
        "labels": {"alertname": name, "severity": "P1"},
        "annotations": {"summary": f"{name} fires", "action": "Nothing."},
        "startsAt": since.isoformat(),
        "endsAt": over.isoformat(),
    }
    url = f"http://127.0.0.1:{site.port('alertmanager')}/api/v2/alerts"
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps([alert]).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def _queries() -> list[tuple[str, str]]:
    found = []
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            found += [(f"{path.stem}: {panel['title']}", one["expr"]) for one in panel["targets"]]
    return found


def test_every_query_of_the_dashboards_shows_something(watched: Watched, site: Site) -> None:
    url = f"http://127.0.0.1:{site.port('prometheus')}/api/v1/query_range"
    until = time.time()
    empty = []
    for title, query in _queries():
        asked = {"query": query, "start": until - 120, "end": until, "step": 2}
        body = urllib.parse.urlencode(asked).encode()
        with urllib.request.urlopen(url, body, timeout=30) as answer:
            if not json.loads(answer.read())["data"]["result"]:
                empty.append(f"{title}: {query}")
    assert len(_queries()) > 40
    assert empty == []


def test_a_past_sale_is_replayed_to_the_same_end(watched: Watched) -> None:
    slug = watched.sale()["slug"]
    frames = watched.page.evaluate(
        "async (slug) => (await (await fetch(`/board/replay/${slug}.json`)).json()).frames", slug
    )
    lefts = [
        frame["campaigns"][0]["items"][0]["units"]["left"]
        for frame in frames
        if frame["campaigns"][0]["items"][0]["units"]
    ]
    assert (max(lefts), lefts[-1]) == (80, 0)
    assert all(frame["campaigns"][0]["items"][0]["id"] for frame in frames)


def test_a_past_sale_is_chosen_moved_through_and_left_by_clicking(
    watched: Watched, site: Site
) -> None:
    slug = watched.sale()["slug"]
    assert watched.page.context.browser
    page = open_page(watched.page.context.browser)
    heard = complaints(page)
    log_in(page, console_of(site), administrator(site), "/board/")
    wait_until_live(page)
    page.get_by_label("Replay").select_option(slug)
    page.wait_for_selector(".age[data-trust=replay]")
    slider = page.locator(".replay input[type=range]")
    left = page.locator(".item:first-child .left-count")
    slider.press("Home")

    def is_full() -> bool:
        """Its first frames are of the time before anybody knew of it."""
        if left.inner_text() == "80":
            return True
        slider.press("ArrowRight")
        return False

    wait_for(is_full, "all its units", 90)
    shoot_all(page, "board-replay")
    slider.press("End")
    wait_for(lambda: left.inner_text() == "0", "the last frame", 30)
    assert serious_findings(page) == []
    page.get_by_role("button", name="back to now").click()
    wait_until_live(page)
    assert not page.locator(".replay").is_visible()
    assert heard == []


def test_a_wall_needs_a_link_only_and_everybody_can_read_it(watched: Watched) -> None:
    page = watched.page
    page.click("text=Wall link")
    page.fill("dialog input[maxlength]", "e2e")
    page.click("dialog .primary")
    href = page.get_attribute("dialog a", "href")
    page.click("dialog button[type=button]")
    assert href
    assert page.context.browser
    wall = open_page(page.context.browser, "phone", "dark", "zh-CN")
    heard = complaints(wall)
    wall.goto(href)
    wait_until_live(wall)
    assert wall.locator("select").count() == 0
    assert "库存守恒" in wall.inner_text("main")
    assert serious_findings(wall) == []
    shoot_all(wall, "board-wall-zh")
    shoot_all(page, "board")
    assert serious_findings(page) == []
    assert watched.complained + heard == []
