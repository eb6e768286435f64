"""One private gateway: a real nginx, configured as the tree says, with its own ports and state."""

import os
import re
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from deploy.local.servers.gateway import CONSOLE_PORT, nginx, render_tree
from tests.gateway.client import Answer, get
from tests.gateway.control_plane import INTERNAL_TOKEN, SNAPSHOT_KEY
from tests.redis.ports import free_port
from tests.redis.server import PASSWORDS
from tests.redis.waiting import until

RESERVATION_KEY = "reservation-key-of-the-tests-0123456789"

# What a gateway of the tests runs with, unless a case says otherwise.
SETTINGS = MappingProxyType(
    {
        "SLUICE_STOCK_REDIS_USER": "gateway",
        "SLUICE_STOCK_REDIS_PASSWORD": PASSWORDS["gateway"],
        "SLUICE_SNAPSHOT_KEY": SNAPSHOT_KEY,
        "SLUICE_INTERNAL_TOKEN": INTERNAL_TOKEN,
        "SLUICE_RESERVATION_KEY": RESERVATION_KEY,
        # A busy disk must not look like a frozen Redis.
        "SLUICE_RESERVE_TIMEOUT_MS": "3000",
    }
)

_METRIC = re.compile(r"^(sluice_\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'\w+="([^"]*)"')


class Gateway:
    """nginx in `folder`. `settings` are SLUICE_* and override SETTINGS; None removes one.

    With a console it has the firewall's rule set too, which takes nginx longer to read.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str | None],
        workers: int = 1,
        has_console: bool = False,
    ) -> None:
        self.console_port = free_port() if has_console else None
        self.port, self.internal_port = free_port(), free_port()
        self.workers = workers
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        chosen = {**SETTINGS, "SLUICE_VAR_DIR": str(folder), **settings}
        self.settings = {name: value for name, value in chosen.items() if value is not None}
        # nginx itself logs that somebody hung up on it; what follows from it is looked at by cases.
        self.expected_errors = ["() failed (104: Connection reset by peer)"]
        # Whole crowds come from one address here.
        self.rendered = {"SLUICE_CONNECTIONS_PER_ADDRESS": "4000"}
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> "subprocess.Popen[bytes]":
        """Start nginx and return at once; it may refuse its settings."""
        ports = {
            "SLUICE_GATEWAY_PORT": str(self.port),
            "SLUICE_GATEWAY_INTERNAL_PORT": str(self.internal_port),
            "SLUICE_GATEWAY_WORKERS": str(self.workers),
        }
        if self.console_port:
            ports |= {CONSOLE_PORT: str(self.console_port)}
        render_tree(self.folder, ports | self.settings | self.rendered)
        environment = {"PATH": os.environ["PATH"], **self.settings}
        with self.error_log.open("ab") as log:
            self._process = subprocess.Popen(nginx(self.folder), env=environment, stderr=log)
        return self._process

    def start(self) -> None:
        """Start nginx; returns when it answers."""
        process = self.launch()

        def answers() -> bool:
            assert process.poll() is None, f"nginx ended: {self.errors()}"
            try:
                return self.get("/healthz").status == 200
            except OSError:
                return False

        until(answers, f"the gateway answers, see {self.error_log}")

    def stop(self) -> None:
        """End it at once."""
        if self._process:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def reload(self) -> None:
        """Let new workers take over; returns when the old ones take no more connections."""
        before = self.worker_pids()
        # What a worker says that has not ended its poll when nginx is stopped for good.
        self.expected_errors += ["open socket #", ": aborting"]
        self._signal(signal.SIGHUP)

        def have_taken_over() -> bool:
            now = self.worker_pids()
            return len(now) == self.workers and now.isdisjoint(before)

        until(have_taken_over, "new workers run, and none of the old ones")

    def kill_a_worker(self) -> None:
        """As a crash; returns when the master has started another."""
        before = self.worker_pids()
        os.kill(min(before), signal.SIGKILL)
        until(lambda: len(self.worker_pids() - {min(before)}) == self.workers, "a new worker runs")

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        """GET on the shoppers' port."""
        return get(self.port, path, headers)

    def worker_pids(self) -> set[int]:
        """Workers that take connections: children of the master that are not shutting down."""
        assert self._process
        found = set()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                status = (process / "status").read_text()
                title = (process / "cmdline").read_bytes()
            except OSError:
                continue  # gone meanwhile
            is_child = f"\nPPid:\t{self._process.pid}\n" in status
            if is_child and b"worker" in title and b"shutting down" not in title:
                found.add(int(process.name))
        return found

    def metrics(self) -> dict[tuple[str, str], float]:
        """(name, label) → value; the label is empty where there is none, several have | between."""
        text = get(self.internal_port, "/metrics").body.decode()
        return {
            (name, "|".join(_LABEL.findall(labels))): float(value)
            for name, labels, value in _METRIC.findall(text)
        }

    def counted(self, name: str, label: str = "") -> float:
        """One counter; workers add to it once a second."""
        return self.metrics().get((f"sluice_gateway_{name}_total", label), 0)

    def versions(self) -> list[int]:
        """The snapshot version of each worker that has one."""
        name = "sluice_gateway_snapshot_version"
        return [int(value) for (metric, _), value in self.metrics().items() if metric == name]

    def runs(self, version: int) -> bool:
        """Whether every worker runs exactly this version."""
        return self.versions() == [version] * self.workers

    def has_read(self, requests: int) -> bool:
        """Whether `requests` connections are open and nginx has taken every byte out of them."""
        table = Path("/proc/net/tcp").read_text().splitlines()[1:]
        rows = [line.split() for line in table]
        ours = [row for row in rows if row[1].endswith(f":{self.port:04X}") and row[3] == "01"]
        return len(ours) == requests and all(row[4].endswith(":00000000") for row in ours)

    @property
    def error_log(self) -> Path:
        """What nginx writes to stderr."""
        return self.folder / "error.log"

    def errors(self) -> str:
        """All of it."""
        return self.error_log.read_text() if self.error_log.exists() else ""

    def unexpected_errors(self) -> list[str]:
        """Lines at level error or worse that no case has asked for, e.g. a Lua fault."""
        return [
            line
            for line in self.errors().splitlines()
            if re.search(r"\[(error|crit|alert|emerg)\]", line)
            and not any(expected in line for expected in self.expected_errors)
        ]

    def access_log(self) -> str:
        """One JSON line a request, at most a second behind."""
        path = self.folder / "logs" / "access.log"
        return path.read_text() if path.exists() else ""

    def _signal(self, number: signal.Signals) -> None:
        assert self._process, "not running"
        self._process.send_signal(number)
