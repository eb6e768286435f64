"""A stack of a test's own, with only as many processes as it needs, in a profile for tests only."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from deploy.local.site import ROOT, Site
from deploy.local.supervision import Supervisor

DEADLINE_S = 60


class StackTool:
    """`python -m deploy.local` as a person uses it, and a look behind it."""

    def __init__(self, profile: str) -> None:
        self.site = Site(profile)
        self.supervisor = Supervisor(self.site)

    def run(
        self,
        command: str,
        only: str = "",
        environment: Mapping[str, str] | None = None,
        words: Sequence[str] = (),
    ) -> subprocess.CompletedProcess[str]:
        """One command, with its output."""
        arguments = [command, "--profile", self.site.profile, *(["--only", only] if only else [])]
        arguments += ["--", *words] if words else []
        return subprocess.run(
            [sys.executable, "-m", "deploy.local", *arguments],
            check=False,
            cwd=ROOT,
            env=dict(os.environ) | dict(environment or {}),
            capture_output=True,
            text=True,
            timeout=300,
        )

    def up(self, only: str) -> subprocess.CompletedProcess[str]:
        """A start that has to work."""
        done = self.run("up", only)
        assert done.returncode == 0, done.stderr
        return done

    def pid(self, name: str) -> int:
        """The pid of a program, 0 when it does not run."""
        return int(self.supervisor.programs().get(name, {}).get("pid", 0))

    def supervisord_pid(self) -> int:
        """The pid of the one above all."""
        return int(self.supervisor.pidfile.read_text())


@pytest.fixture
def stack() -> Iterator[StackTool]:
    """Nothing runs before the test and nothing after it."""
    tool = StackTool("stacktest")
    tool.run("down")
    yield tool
    tool.run("down")


def eventually(condition: Callable[[], bool], deadline_s: float = DEADLINE_S) -> None:
    """Poll until the condition holds; fail when it does not in time."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"still not true after {deadline_s} s"
        time.sleep(0.05)
