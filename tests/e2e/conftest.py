"""What the whole-stack tests share: the running test stack, and sales in it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deploy.local import environment
from deploy.local.site import ROOT, Site
from tests.e2e.commands import Commands

JsonObject = dict[str, Any]


@pytest.fixture(scope="session")
def site() -> Site:
    """The test stack, which `make test` has started."""
    return Site("test")


@pytest.fixture(scope="session")
def stack_environment(site: Site) -> dict[str, str]:
    """The environment of a process that belongs to the stack's operators."""
    return os.environ | environment.values(site)


@pytest.fixture(scope="session")
def manage(stack_environment: dict[str, str]) -> Iterator[Commands]:
    """`manage("create_campaign", …)`: a command of the control plane."""
    commands = Commands(stack_environment)
    yield commands
    commands.close()


@pytest.fixture
def create_campaign(manage: Commands) -> Callable[..., JsonObject]:
    """A function that creates and approves a campaign of one item; returns its description."""

    def create(
        slug: str, *, units: int, starts_in_s: float, lasts_s: float, human_check: bool = False
    ) -> JsonObject:
        command = ["create_campaign", "--approve", "--price-minor", "1999"]
        command += ["--slug", f"{slug}-{time.time_ns():x}", "--title", slug]
        command += ["--units", str(units), "--starts-in-s", str(starts_in_s)]
        command += ["--lasts-s", str(lasts_s)]
        command += [] if human_check else ["--without-human-check"]
        described: JsonObject = manage(*command)
        return described

    return create


@pytest.fixture
def start_sale(stack_environment: dict[str, str], tmp_path: Path) -> Callable[..., "RunningSale"]:
    """A function that starts a sale with simulated shoppers, as `make demo` does."""
    return partial(begin_sale, stack_environment, tmp_path)


def begin_sale(
    stack_environment: dict[str, str],
    folder: Path,
    *,
    shoppers: int,
    units: int,
    seed: int,
    spike_s: float = 1.0,
    shards: int = 1,
) -> "RunningSale":
    """The same, for a fixture of several tests."""
    summary = folder / f"summary-{seed}.json"
    command = [sys.executable, "-m", "tests.load.demo", "--summary", str(summary)]
    command += ["--shoppers", str(shoppers), "--units", str(units), "--seed", str(seed)]
    command += ["--spike-s", str(spike_s), "--lead-s", "6"]
    command += ["--progress-s", "0.2"]
    log = (folder / f"sale-{seed}.log").open("w+")
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=stack_environment | {"SLUICE_SHARDS_PER_ITEM": str(shards)},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    return RunningSale(process, summary, Path(log.name))


class RunningSale:
    """A sale under way in its own process."""

    def __init__(self, process: "subprocess.Popen[bytes]", summary: Path, log: Path) -> None:
        self._process, self._summary, self._log = process, summary, log

    def printed(self) -> str:
        """What the sale has printed so far."""
        return self._log.read_text()

    def finish(self, deadline_s: float = 150) -> JsonObject:
        """Wait for the end; its summary. A broken promise fails with all that was printed."""
        code = self._process.wait(deadline_s)
        assert code == 0, self.printed()
        summary: JsonObject = json.loads(self._summary.read_text())
        return summary


def wait_for(condition: Callable[[], Any], what: str, deadline_s: float = 60) -> Any:
    """Poll until the condition gives something true; its value."""
    give_up = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < give_up, f"waited {deadline_s} s in vain for {what}"
        time.sleep(0.05)
    return value
