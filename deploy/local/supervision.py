"""supervisord: its start and end, what it says about its programs, what it left behind.

Every program is told by `setpriv --pdeathsig` to end when supervisord dies, however it dies.
What is left all the same is found by its session, which supervisord leads, and by where it works:
a pid file outlives a reboot, and then the session of that number may be anybody's.
"""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from deploy.local import linux, supervisord_conf
from deploy.local.process import CannotStart
from deploy.local.site import ROOT, Site, write_private
from deploy.local.supervisord_conf import Program

START_DEADLINE_S = 10
# Programs end by themselves within this time once supervisord is gone; then they are killed.
LEFTOVER_GRACE_S = 10
# SIGKILL acts at once unless the kernel itself is stuck in a call, on a dead disk for example.
KILLED_DEADLINE_S = 10
# supervisord kills what does not end within its stopwaitsecs, so this is reached only when
# supervisord itself hangs or a program cannot be killed.
STOP_DEADLINE_S = 30
# BACKOFF: it died and waits for the next try.
RUNNING_STATES = ("STARTING", "RUNNING", "BACKOFF")


class Supervisor:
    """The supervisord of one site."""

    def __init__(self, site: Site, entering: Sequence[str] = ()) -> None:
        """Compute where its files are; nothing is started.

        `entering` stands before its command: nsenter, where it works in another network.
        """
        self.site, self._entering = site, entering
        self.config = site.state / "supervisord.conf"
        self.pidfile = site.state / "supervisord.pid"
        self.socket = site.socket_dir(site.state) / "supervisor.sock"

    def configure(self, programs: Sequence[Program]) -> None:
        """Write the configuration of all programs."""
        self.site.folder("logs")
        write_private(self.config, supervisord_conf.render(self.site, self.socket, programs))

    def running(self) -> bool:
        """Whether our supervisord lives, told by its pid and its command line."""
        pid = self._recorded_pid()
        told = f"supervisor.supervisord -c {self.config}"
        return bool(pid) and linux.alive(pid) and linux.command_line(pid).endswith(told)

    def leftovers(self) -> list[int]:
        """Programs that outlived their supervisord: of its session, and working in our folders."""
        pid = self._recorded_pid()
        # A living process with that number means the session is gone and the number was reused; one
        # without a command line is ours on its way out.
        if not pid or (linux.alive(pid) and linux.command_line(pid)):
            return []
        return [member for member in linux.session_members(pid) if self._is_ours(member)]

    def clean(self) -> bool:
        """End what a dead supervisord left behind; True when there was something to clean.

        Raises CannotStart when something of it cannot be killed.
        """
        if self.running():
            return False
        stale = self.pidfile.exists()
        deadline = time.monotonic() + LEFTOVER_GRACE_S
        while (left := self.leftovers()) and time.monotonic() < deadline:
            time.sleep(0.1)
        for pid in left:
            _kill(pid)
        _wait_while(
            lambda: [f"pid {pid} ({linux.command_line(pid)[:80]})" for pid in self.leftovers()],
            KILLED_DEADLINE_S,
            "left by a dead supervisord, killed, and still there",
        )
        self.pidfile.unlink(missing_ok=True)
        self.socket.unlink(missing_ok=True)
        return stale

    def start(self) -> None:
        """Start the daemon and wait for its socket; its programs stay stopped."""
        daemon = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self.config)]
        daemon = [*self._entering, *daemon]
        started = subprocess.run(
            daemon, check=False, env=_bare_environment(), cwd="/", capture_output=True, text=True
        )
        if started.returncode != 0:
            raise CannotStart(f"supervisord: {started.stderr.strip() or started.stdout.strip()}")
        deadline = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < deadline:
            try:
                self.rpc.getPID()
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
            else:
                return
        raise CannotStart(f"supervisord does not answer; see {self.site.state}/supervisord.log")

    def reload(self, concerned: Collection[str]) -> None:
        """Take over what changed of the programs `concerned`: they are stopped, and not started."""
        [[added, changed, removed]] = self.rpc.reloadConfig()
        outdated = [*(name for name in changed if name in concerned), *removed]
        self.stop(outdated)
        for name in outdated:
            self.rpc.removeProcessGroup(name)
        for name in [*added, *(name for name in changed if name in concerned)]:
            self.rpc.addProcessGroup(name)

    def stop(self, names: Collection[str]) -> None:
        """Stop programs side by side and wait for the last; stopped ones are left alone.

        Raises CannotStart when one is not stopped in time.
        """
        for name, info in self.programs().items():
            if name in names and info["statename"] in RUNNING_STATES:
                self.rpc.stopProcess(name, False)
        _wait_while(
            lambda: [
                name
                for name, info in self.programs().items()
                if info["statename"] == "STOPPING" and name in names
            ],
            STOP_DEADLINE_S,
            f"supervisord was asked to stop it and does not; see {self.site.state}/supervisord.log",
        )

    def shutdown(self) -> None:
        """End supervisord and wait until it is gone; its programs are stopped before.

        Raises CannotStart when it does not end in time.
        """
        pid = self._recorded_pid()
        self.rpc.shutdown()
        _wait_while(
            lambda: [f"supervisord (pid {pid})"] if linux.alive(pid) else [],
            STOP_DEADLINE_S,
            f"was asked to end and does not; see {self.site.state}/supervisord.log",
        )

    def programs(self) -> dict[str, dict[str, Any]]:
        """Name → statename, pid, start, spawnerr, … of each program; empty when all is off."""
        if not self.running():
            return {}
        try:
            return {info["name"]: info for info in self.rpc.getAllProcessInfo()}
        except (OSError, http.client.HTTPException):
            return {}

    @property
    def rpc(self) -> Any:
        """Supervisor's XML-RPC namespace, over the socket."""
        transport = SupervisorTransport(None, None, f"unix://{self.socket}")
        return xmlrpc.client.ServerProxy("http://localhost", transport=transport).supervisor

    def log(self, name: str) -> Path:
        """The file a program's stdout and stderr go to."""
        return self.site.state / "logs" / f"{name}.log"

    def _is_ours(self, pid: int) -> bool:
        """Whether a process works in this site's folders, as every program of it does.

        The environment would not tell: PostgreSQL, Redis and nginx write their titles over it.
        """
        folder = linux.working_folder(pid)
        # PostgreSQL's data may lie elsewhere, behind a link.
        homes = (self.site.state, (self.site.state / "postgres").resolve())
        return folder is not None and any(folder.is_relative_to(home) for home in homes)

    def _recorded_pid(self) -> int:
        try:
            return int(self.pidfile.read_text())
        except (OSError, ValueError):
            return 0


def _bare_environment() -> dict[str, str]:
    """Programs inherit supervisord's environment, so it has nothing that is not for all."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def _wait_while(remaining: Callable[[], list[str]], deadline_s: float, complaint: str) -> None:
    """Poll until nothing remains; CannotStart names what does when the time is over."""
    deadline = time.monotonic() + deadline_s
    while left := remaining():
        if time.monotonic() > deadline:
            raise CannotStart(f"{', '.join(left)}: {complaint} (waited {deadline_s} s)")
        time.sleep(0.05)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
