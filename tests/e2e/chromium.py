"""Debian's Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

from deploy.local.site import ROOT
from tests.e2e.storefront.shop import serious_findings

SHOTS = ROOT / "var" / "screenshots"
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
SIZES = {"phone": (390, 844), "desktop": (1280, 900)}
DEADLINE_MS = 60_000


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser; without a sandbox of its own where root runs it, because it has none then."""
    executable = shutil.which("chromium")
    assert executable, "chromium is missing: apt-get install chromium"
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()


def open_page(
    browser: Browser, size: str = "desktop", scheme: Scheme = "light", lang: str = "en"
) -> Page:
    """A page of a new visitor, which fails the test when its policy or its code complains."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, locale=lang
    )
    context.set_default_timeout(DEADLINE_MS)
    return context.new_page()


def complaints(page: Page) -> list[str]:
    """Errors of the page from now on: exceptions, and what its policy refuses."""
    heard: list[str] = []
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on(
        "console",
        lambda said: heard.append(said.text) if "Content Security Policy" in said.text else None,
    )
    return heard


def shoot(page: Page, name: str) -> Path:
    """A picture of the whole page, for somebody to look at."""
    path = SHOTS / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path, full_page=True)
    return path


def shoot_all(page: Page, name: str, fresh: str = "") -> None:
    """Phone and desktop, light and dark; fails where a page is wider than its window.

    `fresh`: what is waited for after a reload, where a page looks at the scheme only as it loads.
    """
    size = page.viewport_size
    for width, (across, down) in SIZES.items():
        page.set_viewport_size({"width": across, "height": down})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            if fresh:
                page.reload()
                page.locator(fresh).first.wait_for()
            shoot(page, f"{name}-{width}-{scheme}")
            wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            assert wide <= 0, f"{name}: {wide} px too wide for a {width}"
    assert size
    page.set_viewport_size(size)
    page.emulate_media(color_scheme="light")


def keeps_nobody_out(page: Page) -> None:
    """Fails with what axe finds on this page as it stands, in light and in dark."""
    for scheme in SCHEMES:
        # Animations move between two looks at a page.
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert serious_findings(page) == [], scheme
