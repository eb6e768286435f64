"""The stack under the drill, and the hands that break it: kill, freeze, hold down, a second one."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from deploy.local import environment
from deploy.local.ports import PROXY
from deploy.local.process import CannotStart
from deploy.local.site import ROOT, Site
from deploy.local.stack import Stack
from tests.drill import child
from tests.drill.drill import DrillBroken
from tests.drill.wires.control import Wires

T = TypeVar("T")

PROFILE = "drill"
# The edge only hands out tokens, and the drills sign their own.
NOT_NEEDED = frozenset({"edge"})
# Metrics of processes started by hand; far from every profile's ports (deploy/local/ports.py).
SECOND_PORT = 31_990
DEADLINE_S = 40.0
POLL_S = 0.02
# … and so many times what a look took.
REST = 4.0


def wait_for(
    look: Callable[[], T], what: str, deadline_s: float = DEADLINE_S, pause_s: float = POLL_S
) -> T:
    """Poll until it gives something true. Raises DrillBroken.

    Who looks takes at most a fifth of the time: the sale is on the same machine.
    """
    give_up = time.monotonic() + deadline_s
    while True:
        began = time.monotonic()
        if seen := look():
            return seen
        if (now := time.monotonic()) > give_up:
            raise DrillBroken(f"waited {deadline_s:g} s in vain for {what}")
        time.sleep(max(pause_s, min(REST * (now - began), 1.0)))


class Ground:
    """One profile's stack."""

    def __init__(self, profile: str = PROFILE) -> None:
        self.site = Site(profile)
        self.stack = Stack(self.site)
        self.environment = environment.values(self.site)

    @property
    def wires(self) -> Wires:
        """The hand on the fault proxy; KeyError in a profile that has none."""
        return Wires(self.site.port(PROXY))

    def up(self) -> None:
        """Start what a drill needs and does not run. Raises CannotStart."""
        from deploy.local.processes import steps

        names = [step.name for step in steps(self.site) if step.name not in NOT_NEEDED]
        self._deploy("up", "--only", ",".join(names))

    def down(self) -> None:
        """Stop everything; whoever asks us to leave waits for it."""
        with child.undisturbed():
            self._deploy("down")

    def pid(self, name: str) -> int:
        """The pid of a running process, 0 when it does not run."""
        return int(self.stack.supervisor.programs().get(name, {}).get("pid", 0))

    def kill(self, name: str) -> float:
        """SIGKILL; supervisord starts it again. When it was (time.monotonic())."""
        pid = self.running(name)
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        return killed

    def kill_and_wait(self, name: str) -> int:
        """SIGKILL, and wait for its successor; the new pid."""
        before = self.running(name)
        os.kill(before, signal.SIGKILL)
        return wait_for(
            lambda: pid if (pid := self.pid(name)) != before else 0, f"{name} to be started again"
        )

    @contextlib.contextmanager
    def frozen(self, name: str) -> Iterator[int]:
        """SIGSTOP for as long as the block; its connections stay open, its leases too."""
        pid = self.running(name)
        self.freeze(pid)
        try:
            yield pid
        finally:
            self.thaw(pid)

    def freeze(self, pid: int) -> None:
        """SIGSTOP to it and its children (Celery, PostgreSQL and nginx have them)."""
        for one in (pid, *children(pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGSTOP)

    def thaw(self, pid: int) -> None:
        """SIGCONT; who has died meanwhile is left alone."""
        for one in (pid, *children(pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGCONT)

    @contextlib.contextmanager
    def held_down(self, name: str) -> Iterator[float]:
        """Killed without a chance to say goodbye, and not started again while the block runs.

        Gives the time of death. Frozen first, so that supervisord's polite TERM comes to nothing
        and only the SIGKILL behind it counts; it is asked to stop so that it does not restart.
        """
        pid = self.running(name)
        died = time.monotonic()
        os.kill(pid, signal.SIGSTOP)
        rpc = self.stack.supervisor.rpc
        rpc.stopProcess(name, False)
        os.kill(pid, signal.SIGKILL)
        try:
            wait_for(lambda: self._state(name) == "STOPPED", f"{name} to stay down")
            yield died
        finally:
            rpc.startProcess(name, False)
            wait_for(lambda: self._state(name) in ("STARTING", "RUNNING"), f"{name} to start")

    @contextlib.contextmanager
    def all_held_down(self, names: Sequence[str]) -> Iterator[float]:
        """As `held_down`, all at one moment: none of them sees another one die."""
        pids = [self.running(name) for name in names]
        died = time.monotonic()
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            with contextlib.ExitStack() as down:
                for name in names:
                    down.enter_context(self.held_down(name))
                yield died
        finally:
            for pid in pids:
                self.thaw(pid)

    @contextlib.contextmanager
    def stopped(self, name: str) -> Iterator[None]:
        """Stopped as an operator would, started again behind the block."""
        self.stack.supervisor.stop([name])
        try:
            yield
        finally:
            self.stack.supervisor.rpc.startProcess(name, False)
            wait_for(lambda: self._state(name) in ("STARTING", "RUNNING"), f"{name} to start")

    @contextlib.contextmanager
    def second(self, process: str, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Another process of a kind beside the supervised one; `words` replace its module."""
        names = os.environ | environment.of(self.site, process)
        names |= {"SLUICE_INSTANCE": f"{process}-second", "SLUICE_METRICS_PORT": str(SECOND_PORT)}
        module = words or (f"workers.{process.replace('-', '_')}",)
        log = self.log(f"{process}-second").open("ab")
        started = subprocess.Popen(
            [sys.executable, "-m", *module], cwd=ROOT, env=names, stdout=log, stderr=log
        )
        try:
            yield started
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(started.pid, signal.SIGCONT)
            started.terminate()
            try:
                started.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()
            log.close()

    def log(self, name: str) -> Path:
        """Where a process writes; those started by hand too."""
        return self.stack.supervisor.log(name)

    def unhealthy(self) -> list[str]:
        """Processes that are not well, with what is wrong."""
        return [
            f"{process.name}: {wrong}"
            for process, _, wrong in self.stack.state()
            if wrong and process.name not in NOT_NEEDED
        ]

    def wait_until_healthy(self, deadline_s: float = 60.0) -> None:
        """A drill begins on a stack that is well. Raises DrillBroken."""
        give_up = time.monotonic() + deadline_s
        while wrong := self.unhealthy():
            if time.monotonic() > give_up:
                raise DrillBroken(f"not well after {deadline_s:g} s: {'; '.join(wrong)}")
            time.sleep(0.1)

    def _deploy(self, *words: str) -> None:
        """In a process of its own: Celery keeps connections that do not survive their Redis."""
        command = [sys.executable, "-m", "deploy.local", *words, "--profile", self.site.profile]
        # Not in the terminal's group: Ctrl-C is for whoever waits for it.
        if subprocess.run(command, check=False, cwd=ROOT, start_new_session=True).returncode != 0:
            raise CannotStart(f"deploy.local {words[0]} did not work")

    def running(self, name: str) -> int:
        """Its pid; waits for it."""
        return wait_for(lambda: self.pid(name), f"{name} to run")

    def _state(self, name: str) -> str:
        return str(self.stack.supervisor.programs().get(name, {}).get("statename", ""))


def memory_mb(pid: int) -> float:
    """What a process has in memory now; 0 when it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def children(pid: int) -> list[int]:
    """Its children and theirs."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    found = [int(word) for word in text.split()]
    return found + [below for one in found for below in children(one)]
