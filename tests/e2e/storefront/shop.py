"""The page as a visitor meets it: what he reads, what he can press, and what it sends."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page, Request, expect

from deploy.local.site import ROOT

# A bound for a busy machine; nothing is timed against it.
PATIENCE_MS = 60_000
# How long before the start a page is opened that has to be seen before it: a busy machine takes
# twenty seconds to put up a campaign and open a page.
LEAD_S = 30
SCREENS = ROOT / "var" / "e2e" / "screens"
AXE = ROOT / "edge-workers" / "node_modules" / "axe-core" / "axe.min.js"
VIEWPORTS = {"phone": (390, 844), "desktop": (1280, 860)}
THEMES = ("light", "dark")
# Animations move between two looks at a page, and reduced motion is one thing less to wait for.
STILL: dict[str, Any] = {"reduced_motion": "reduce"}


class Shop:
    """One tab."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.sale = page.locator("flash-sale")
        self.card = self.sale.locator("[part=card]")
        self.button = self.sale.locator("[part=button]")
        self.pay = self.sale.locator("[part=pay]")
        self.headline = self.sale.locator("[part=headline]")
        self.sentence = self.sale.locator("[part=sentence]")
        self.place = self.sale.locator("[part=place]")
        self.order_number = self.sale.locator("[part=order-number]")
        self.spoken = self.sale.locator("[role=status].spoken")
        self.sent: list[Request] = []
        self.most_in_flight = 0
        self.errors: list[str] = []
        self._in_flight = 0
        page.on("request", self._began)
        page.on("requestfinished", self._ended)
        page.on("requestfailed", self._ended)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _is_purchase(self, request: Request) -> bool:
        path = request.url
        is_door = request.method == "POST" and "/v1/items/" in path
        return is_door or "/v1/reservations/" in path

    def _began(self, request: Request) -> None:
        if not self._is_purchase(request):
            return
        self.sent.append(request)
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)

    def _ended(self, request: Request) -> None:
        self._in_flight -= self._is_purchase(request)

    def purchases(self) -> list[Request]:
        """What was sent to buy."""
        return [one for one in self.sent if one.url.endswith("/buy")]

    def expect_state(self, *states: str) -> None:
        """Wait until the card shows one of these states."""
        pattern = "|".join(f'[data-state="{state}"]' for state in states)
        expect(self.sale.locator(pattern.replace("|", ", "))).to_be_attached(timeout=PATIENCE_MS)

    def expect_open(self) -> None:
        """Wait until the button can be pressed."""
        expect(self.button).to_be_visible(timeout=PATIENCE_MS)
        expect(self.button).not_to_have_attribute("aria-disabled", "true", timeout=PATIENCE_MS)

    def buy(self) -> None:
        """Press the button when it can be pressed."""
        self.expect_open()
        self.button.click()

    def kept(self) -> dict[str, Any]:
        """The purchase as this browser keeps it."""
        found: dict[str, Any] = self.page.evaluate(
            """() => {
              const name = Object.keys(localStorage)
                .find((one) => one.startsWith("sluice.purchase.") && !one.endsWith(".turn"));
              return JSON.parse(localStorage.getItem(name)).machine;
            }"""
        )
        return found

    def shoot(self, name: str) -> None:
        """Keep pictures in light and dark, on phone and desktop; axe has a look too."""
        SCREENS.mkdir(parents=True, exist_ok=True)
        before = self.page.viewport_size
        for theme in THEMES:
            self.page.emulate_media(color_scheme=theme, **STILL)  # type: ignore[arg-type]
            for device, (width, height) in VIEWPORTS.items():
                self.page.set_viewport_size({"width": width, "height": height})
                path = SCREENS / f"{name}-{theme}-{device}.png"
                self.page.screenshot(path=path, full_page=True)
            assert serious_findings(self.page) == [], f"{name}, {theme}"
        if before is not None:
            self.page.set_viewport_size(before)


def serious_findings(page: Page) -> list[str]:
    """What axe-core finds that keeps people out."""
    page.evaluate(Path(AXE).read_text())
    report = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary']}"
        for one in report["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
