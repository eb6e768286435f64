"""Record what browser robots leave behind: `python -m tests.e2e.record_traces`.

Each way of scripting a browser is played in the real Chromium on a page that `sdk/check/watch.ts`
watches. The traces go to `edge-workers/fixtures/traces/scripted.json`, by which the edge's score is
judged. `navigator.webdriver` is hidden, as robots that mean it do; it would give them all away.
"""

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from math import cos, pi, sin
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from deploy.local.site import ROOT

EDGE_WORKERS = ROOT / "edge-workers"
FIXTURE = EDGE_WORKERS / "fixtures" / "traces" / "scripted.json"
PAGE = """<!doctype html><body style="margin:0;height:3000px">
<input style="position:absolute;left:420px;top:180px"><button id="buy"
style="position:absolute;left:460px;top:330px;width:140px;height:44px">Buy</button>"""
EACH = 15
SEED = 20261126


def click(page: Page, choice: random.Random) -> None:
    """Playwright's and Selenium's click: the pointer is there at once."""
    page.click("#buy")


def straight(page: Page, choice: random.Random) -> None:
    """`mouse.move` with steps, as fast as it goes."""
    page.mouse.move(choice.uniform(0, 300), choice.uniform(0, 300))
    page.mouse.move(*button(choice), steps=choice.randint(10, 60))
    page.click("#buy")


def straight_slowly(page: Page, choice: random.Random) -> None:
    """A line at one speed with pauses between the steps, and a press that lasts."""
    start = (choice.uniform(0, 300), choice.uniform(0, 300))
    along(page, start, button(choice), choice.randint(25, 60), lambda part: part)
    press(page, 0.1)


def wavy(page: Page, choice: random.Random) -> None:
    """The same with random noise on every point."""
    start, target = (choice.uniform(0, 300), choice.uniform(0, 300)), button(choice)
    along(page, start, target, choice.randint(25, 60), lambda part: part, choice, noise=3)
    press(page, choice.uniform(0.05, 0.12))


def jumps(page: Page, choice: random.Random) -> None:
    """Random places, a random time at each."""
    for _ in range(choice.randint(3, 8)):
        page.mouse.move(choice.uniform(0, 800), choice.uniform(0, 600))
        time.sleep(choice.uniform(0.02, 0.2))
    page.click("#buy", delay=choice.uniform(40, 120))


def keys_at_once(page: Page, choice: random.Random) -> None:
    """Tab, Tab, Enter, without any time."""
    for _ in range(choice.randint(3, 9)):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")


def keys_like_a_clock(page: Page, choice: random.Random) -> None:
    """The same with equal times."""
    for _ in range(choice.randint(5, 9)):
        page.keyboard.press("Tab", delay=80)
        time.sleep(0.12)


def script(page: Page, choice: random.Random) -> None:
    """Events that the page's own JavaScript makes."""
    page.evaluate("document.querySelector('#buy').click()")


def taps(page: Page, choice: random.Random) -> None:
    """A touch screen's tap."""
    page.touchscreen.tap(*button(choice))


def nothing(page: Page, choice: random.Random) -> None:
    """HTTP only, or a page that is left alone."""


def imitation(page: Page, choice: random.Random) -> None:
    """A library that imitates people: eased Bézier curve, noise, skewed times. Expected to pass."""
    start, target = (choice.uniform(0, 300), choice.uniform(0, 300)), button(choice)
    along(page, start, target, choice.randint(25, 50), ease, choice, noise=0.7, bow=0.08)
    time.sleep(choice.lognormvariate(-1.8, 0.4))
    press(page, choice.lognormvariate(-2.4, 0.3))


def ease(part: float) -> float:
    """Slow, fast, slow."""
    return (1 - cos(pi * part)) / 2


def button(choice: random.Random) -> tuple[float, float]:
    """Somewhere on it."""
    return choice.uniform(470, 590), choice.uniform(340, 365)


def press(page: Page, seconds: float) -> None:
    """Down and up where the pointer is."""
    page.mouse.down()
    time.sleep(seconds)
    page.mouse.up()


def along(
    page: Page,
    start: tuple[float, float],
    target: tuple[float, float],
    steps: int,
    pace: Callable[[float], float],
    choice: random.Random | None = None,
    noise: float = 0,
    bow: float = 0,
) -> None:
    """Step by step with a frame between."""
    page.mouse.move(*start)
    bent = choice.choice((-1, 1)) * bow if choice else 0
    (x0, y0), (x1, y1) = start, target
    for step in range(1, steps + 1):
        part = pace(step / steps)
        aside = bent * sin(pi * part)
        x = x0 + (x1 - x0) * part - (y1 - y0) * aside
        y = y0 + (y1 - y0) * part + (x1 - x0) * aside
        if choice and step < steps:
            x, y = x + choice.gauss(0, noise), y + choice.gauss(0, noise)
        page.mouse.move(x, y)
        time.sleep(0.016)


ROBOTS: tuple[Callable[[Page, random.Random], None], ...] = (
    click,
    straight,
    straight_slowly,
    wavy,
    jumps,
    keys_at_once,
    keys_like_a_clock,
    script,
    taps,
    nothing,
    imitation,
)


def watcher() -> str:
    """The page's own code as one script, under the name `check`."""
    command = ["node_modules/.bin/esbuild", "sdk/check/watch.ts", "--bundle", "--format=iife"]
    command += ["--global-name=check", "--target=es2022"]
    done = subprocess.run(command, cwd=EDGE_WORKERS, check=True, capture_output=True, text=True)
    return done.stdout


def main(fixture: Path = FIXTURE) -> int:
    """Play all robots and write the file."""
    choice, code, traces = random.Random(SEED), watcher(), []
    with sync_playwright() as playwright:
        hidden = ["--disable-blink-features=AutomationControlled", "--no-sandbox"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=hidden)
        for robot in ROBOTS:
            context = browser.new_context(has_touch=robot is taps)
            page = context.new_page()
            for _ in range(EACH):
                page.set_content(PAGE)  # a document of its own, and with the script a new recorder
                page.evaluate(f"{code}; globalThis.check = check; check.watch(document); 0")
                robot(page, choice)
                trace = page.evaluate("check.trace_so_far()")
                traces.append({"robot": robot.__name__, "trace": trace})
            context.close()
        made = f"tests/e2e/record_traces.py, Chromium {browser.version}, seed {SEED}"
        browser.close()
    fixture.write_text(json.dumps({"made": made, "traces": traces}, indent=1) + "\n")
    print(f"{len(traces)} traces in {fixture}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
