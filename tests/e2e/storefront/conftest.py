"""Real headless Chromium before the real stack."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from deploy.local.site import Site
from deploy.local.stack import Stack
from deploy.local.supervision import Supervisor
from tests.e2e.chromium import chromium as system_chromium
from tests.e2e.commands import Commands
from tests.e2e.conftest import JsonObject, wait_for
from tests.e2e.storefront.shop import PATIENCE_MS, Shop
from tests.e2e.test_campaign_on_time import ask


# Not the session's: while Playwright runs, no other test can have an event loop of its own.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The browser of the system; Playwright brings none of its own here."""
    expect.set_options(timeout=PATIENCE_MS)
    with system_chromium() as browser:
        yield browser


@pytest.fixture
def new_visitor(chromium: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """A function that makes a visitor: storage of his own, nothing remembered."""
    contexts: list[BrowserContext] = []

    def make(**options: object) -> BrowserContext:
        context = chromium.new_context(**{"locale": "en-GB", **options})  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def edge(stack_environment: dict[str, str]) -> str:
    """The edge's origin."""
    return stack_environment["SLUICE_EDGE_URL"]


@pytest.fixture
def put_up(manage: Commands, edge: str) -> Callable[..., JsonObject]:
    """A function that puts up a campaign of one item; returns when the edge knows it.

    Without the human check unless asked for: a driven browser says so and gets a puzzle.
    """

    def create(
        title: str, *, units: int, starts_in_s: float, human_check: bool = False, **more: object
    ) -> JsonObject:
        slug = f"page-{time.time_ns():x}"
        command = ["create_campaign", "--approve"]
        command += ["--slug", slug, "--title", title, "--price-minor", "19900"]
        command += ["--units", str(units), "--starts-in-s", str(starts_in_s)]
        command += [] if human_check else ["--without-human-check"]
        for name, value in {"lasts_s": 600, **more}.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        described: JsonObject = manage(*command)
        item = described["items"][0]["id"]
        wait_for(lambda: ask(f"{edge}/v1/items/{item}")[0] == 200, "the edge to know the item")
        path = f"{edge}/v1/campaigns/{slug}"
        wait_for(lambda: ask(path)[0] == 200, "the gateway to know the campaign")
        return described

    return create


@pytest.fixture
def visit(new_visitor: Callable[..., BrowserContext], edge: str) -> Callable[..., Shop]:
    """A function that opens a campaign's page: as somebody new, or in another tab of his."""

    def open_page(campaign: JsonObject, visitor: BrowserContext | None = None) -> Shop:
        page = (visitor or new_visitor()).new_page()
        shop = Shop(page)
        page.goto(f"{edge}/?campaign={campaign['slug']}")
        return shop

    return open_page


@pytest.fixture
def frozen(site: Site) -> Callable[..., object]:
    """`with frozen("queue-controller"):` a process that stands still, and goes on afterwards."""

    @contextmanager
    def freeze(name: str) -> Iterator[None]:
        pid = Supervisor(site).programs()[name]["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    return freeze


@pytest.fixture
def away(site: Site) -> Callable[..., object]:
    """`with away("gateway"):` a process that is down, and comes back afterwards."""

    @contextmanager
    def stop(name: str) -> Iterator[None]:
        Stack(site).down([name])
        try:
            yield
        finally:
            Stack(site).up([name])

    return stop
