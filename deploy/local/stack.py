"""`up`, `down` and `status`: the order of the processes, one after another, each checked."""

import fcntl
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from deploy.local import environment, linux, sources
from deploy.local.process import CannotStart, OneShot, Process, Unhealthy
from deploy.local.processes import processes, servers_and_clients, steps
from deploy.local.site import Site
from deploy.local.supervision import Supervisor
from deploy.local.supervisord_conf import Program

POLL_S = 0.1
LOG_LINES = 20
# A process that was healthy may be recovering; after this time it is restarted.
UNHEALTHY_GRACE_S = 5

_STARTING_OR_UP = {"STARTING", "RUNNING"}


class Stack:
    """All processes of one site."""

    def __init__(self, site: Site) -> None:
        """Nothing is started by this."""
        self.site = site
        self.supervisor = Supervisor(site)

    def up(self, only: Sequence[str] = ()) -> None:
        """Start what does not run, in order. Raises CannotStart; what runs already stays up.

        Idempotent: when everything is up, unchanged and healthy, it only looks.
        """
        chosen = [step for step in steps(self.site) if not only or step.name in only]
        with self._one_at_a_time():
            if self.supervisor.clean():
                print("  cleaned up after a supervisord that had died")
            self._refuse_foreign_ports(chosen)
            self._supervise([step.name for step in chosen])
            for step in chosen:
                began = time.monotonic()
                did = self._one_shot(step) if isinstance(step, OneShot) else self._bring_up(step)
                if did:
                    print(f"  {step.name:<19} {did} in {time.monotonic() - began:.1f} s")

    def down(self, only: Sequence[str] = ()) -> bool:
        """Stop everything, clients before servers, or a part of it; False when nothing ran."""
        with self._one_at_a_time():
            if not self.supervisor.running():
                return self.supervisor.clean()
            for side in reversed(servers_and_clients(self.site)):
                self.supervisor.stop([name for name in side if not only or name in only])
            if only:
                return True
            self.supervisor.shutdown()
            self.supervisor.clean()
            return True

    def state(self) -> Iterator[tuple[Process, dict[str, Any], str]]:
        """Each process with what supervisord says and its health now: "" or what is wrong."""
        programs = self.supervisor.programs()
        for process in processes(self.site):
            info = programs.get(process.name, {})
            if info.get("statename") not in _STARTING_OR_UP:
                yield process, info, "not running"
                continue
            try:
                process.healthy(self.site)
            except Unhealthy as wrong:
                yield process, info, str(wrong)
            else:
                yield process, info, ""

    def _supervise(self, concerned: Sequence[str]) -> None:
        """Bring supervisord up, or give it what changed since."""
        programs = []
        for process in processes(self.site):
            try:
                command = process.command(self.site)
            except CannotStart:
                if process.name in concerned:
                    raise
                continue  # something it needs is not installed, and nobody asked for it now
            share = environment.of(self.site, process.name) | _code(process)
            programs.append(Program(process, command, share))
        self.supervisor.configure(programs)
        if self.supervisor.running():
            self.supervisor.reload(concerned)
        else:
            self.supervisor.start()

    def _bring_up(self, process: Process) -> str:
        """Start one process unless it runs and is healthy; what was done, in a word."""
        state = self.supervisor.programs()[process.name]["statename"]
        grace_s = {"RUNNING": UNHEALTHY_GRACE_S, "STARTING": 0}.get(state)
        if grace_s is not None and self._healthy_within(grace_s, process):
            return ""
        if state != "STARTING":
            # Also what runs and does not answer: hung, or an `up` was interrupted half-way.
            self.supervisor.stop([process.name])
            process.prepare(self.site)
            self.supervisor.rpc.startProcess(process.name, False)
        deadline = time.monotonic() + process.deadline_s
        started = self._wait(process, process.is_alive, deadline, 0)
        try:
            process.finish(self.site)
        except Unhealthy as wrong:
            self._give_up(process, str(wrong))
        self._wait(process, process.is_up, deadline, started)
        return "ready"

    def _wait(self, process: Process, check: Any, deadline: float, started: int) -> int:
        """Poll until the check passes; stop the process when it dies or the time is over."""
        while True:
            info = self.supervisor.programs()[process.name]
            started = started or info["start"]
            if info["statename"] not in _STARTING_OR_UP or info["start"] != started:
                self._give_up(process, info["spawnerr"] or "it ended by itself")
            try:
                self._check(process, check)
            except Unhealthy as wrong:
                if time.monotonic() > deadline:
                    self._give_up(process, f"not healthy after {process.deadline_s} s: {wrong}")
                time.sleep(POLL_S)
            else:
                return int(started)

    def _give_up(self, process: Process, reason: str) -> NoReturn:
        """Stop a process that did not start, and show its last words."""
        self.supervisor.stop([process.name])
        log = self.supervisor.log(process.name)
        last = log.read_text(errors="replace").splitlines()[-LOG_LINES:] if log.exists() else []
        shown = "\n".join(f"    {line}" for line in last)
        raise CannotStart(f"{process.name} did not start: {reason}\n{shown}\n  whole log: {log}")

    def _one_shot(self, step: OneShot) -> str:
        if step.done(self.site):
            return ""
        step.run(self.site)
        return "done"

    def _healthy_within(self, grace_s: float, process: Process) -> bool:
        """Whether a process that was up already passes its check within a short grace."""
        deadline = time.monotonic() + grace_s
        while True:
            try:
                self._check(process, process.is_up)
            except Unhealthy as wrong:
                if time.monotonic() >= deadline:
                    if grace_s:
                        print(f"  {process.name:<19} is restarted: {wrong}")
                    return False
                time.sleep(POLL_S)
            else:
                return True

    def _check(self, process: Process, check: Any) -> None:
        """Raise Unhealthy unless the check passes; a silent process has to have run for a while."""
        if process.silent:
            state = self.supervisor.programs()[process.name]["statename"]
            if state != "RUNNING":
                raise Unhealthy(f"supervisord says {state}")
        check(self.site)

    def _refuse_foreign_ports(self, chosen: Sequence[Process | OneShot]) -> None:
        """Name every process that holds a port of ours and was not started by us."""
        programs = self.supervisor.programs()
        wanted = {
            self.site.port(name)
            for step in chosen
            if isinstance(step, Process)
            and programs.get(step.name, {}).get("statename") not in _STARTING_OR_UP
            for name in step.ports
        }
        if taken := linux.listeners(wanted):
            lines = "\n".join(f"  {listener}" for listener in taken)
            raise CannotStart(f"ports of profile {self.site.profile} are not free:\n{lines}")

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Two `make up` at once would start everything twice."""
        with (self.site.folder() / "up.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("  waiting for another up or down of this profile", file=sys.stderr)
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _code(process: Process) -> dict[str, str]:
    """A variable that changes with the code, so that supervisord sees what has to be restarted."""
    return {"SLUICE_CODE": sources.digest(process.sources)} if process.sources else {}
