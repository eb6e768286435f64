"""One gateway with one nginx worker on one core, for measuring. Its snapshot comes from disk."""

import hashlib
import hmac
import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from deploy.local.servers.gateway import binary, render_tree
from tests.redis.ports import free_port
from tests.redis.server import PASSWORDS, StockServer
from tests.redis.waiting import until

SNAPSHOT_KEY = "snapshot-key-of-the-measured-gateway"
STEP_CLOCK = Path(__file__).with_name("step_clock.lua")
# The gateway's own first line of Lua, behind which the clock must be wound.
FIRST_LUA = "init_by_lua_block {"
HELLO = """\
# The limit to compare with: the same worker, the least that Lua can do.
server {{
    listen 127.0.0.1:{port};
    access_log off;
    location / {{ content_by_lua_block {{ ngx.print("hello") }} }}
    location = /steps {{ content_by_lua_block {{ package.loaded.step_clock.show() }} }}
}}
"""


class OneWorkerGateway:
    """The real configuration and code, a second server that says hello, and one worker."""

    def __init__(
        self, home: Path, stock: StockServer, core: str, settings: Mapping[str, str] | None = None
    ) -> None:
        """`core`: the processor of nginx, as taskset takes it; `settings`: more SLUICE_*."""
        self._home, self._stock, self._core = home, stock, core
        self._settings = dict(settings or {})
        self.port, self.hello_port, self._internal = free_port(), free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, document: dict[str, object], *, step_clock: bool = False) -> None:
        """Start with this snapshot document; returns when it serves.

        With the step clock `steps` tells where the time goes, and everything is slower.
        """
        self._home.mkdir(parents=True)
        names = {
            "SLUICE_GATEWAY_PORT": str(self.port),
            "SLUICE_GATEWAY_INTERNAL_PORT": str(self._internal),
            "SLUICE_GATEWAY_WORKERS": "1",
        }
        render_tree(self._home, names)
        (self._home / "conf/sites/hello.conf").write_text(HELLO.format(port=self.hello_port))
        if step_clock:
            self._wind_step_clock()
        (self._home / "snapshot.json").write_text(_envelope(document))
        command = [binary(), "-p", str(self._home), "-e", "stderr", "-c", "conf/nginx.conf"]
        with (self._home / "nginx.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*pinned(self._core), *command, "-g", "daemon off;"],
                env=os.environ | self._environment(),
                stderr=log,
            )
        until(self._serves, f"the gateway serves, see {self._home}/nginx.log")

    def _wind_step_clock(self) -> None:
        lua = self._home / "conf/http.d/lua.conf"
        wound = (
            f'package.loaded.step_clock = dofile("{STEP_CLOCK}") package.loaded.step_clock.start()'
        )
        text = lua.read_text()
        assert text.count(FIRST_LUA) == 1, text
        lua.write_text(text.replace(FIRST_LUA, f"{FIRST_LUA} {wound} "))

    def steps(self) -> dict[str, tuple[float, int]]:
        """Name of a step → µs that it took in all, and how often it ran."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.hello_port}/steps") as response:
            return {name: (us, calls) for name, (us, calls) in json.load(response).items()}

    def stop(self) -> None:
        """End it."""
        if self._process:
            self._process.terminate()
            self._process.wait()

    def counters(self) -> dict[str, float]:
        """Series → value, from /metrics."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._internal}/metrics") as response:
            lines = response.read().decode().splitlines()
        pairs = [line.rsplit(" ", 1) for line in lines if line and not line.startswith("#")]
        return {name: float(value) for name, value in pairs}

    def core_s(self) -> float:
        """Seconds of processor time that the worker has used."""
        assert self._process
        master = self._process.pid
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        # The others look after nginx's cache.
        titles = {child: Path(f"/proc/{child}/cmdline").read_bytes() for child in children}
        (worker,) = (child for child, title in titles.items() if b"worker process" in title)
        # The second field, the command, may hold blanks; it ends with the last ")".
        fields = Path(f"/proc/{worker}/stat").read_text().rsplit(")", 1)[1].split()
        user, system = int(fields[11]), int(fields[12])
        return (user + system) / os.sysconf("SC_CLK_TCK")

    def _serves(self) -> bool:
        assert self._process and self._process.poll() is None, "nginx ended"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=1):
                return True
        except OSError:
            return False

    def _environment(self) -> dict[str, str]:
        return {
            "SLUICE_STOCK_REDIS": self._stock.address,
            "SLUICE_STOCK_REDIS_USER": "gateway",
            "SLUICE_STOCK_REDIS_PASSWORD": PASSWORDS["gateway"],
            # Neither is asked on the way of a purchase.
            "SLUICE_WORK_REDIS_URL": "redis://127.0.0.1:1/0",
            "SLUICE_CONTROL_PLANE_URL": "http://127.0.0.1:1",
            "SLUICE_SNAPSHOT_KEY": SNAPSHOT_KEY,
            "SLUICE_INTERNAL_TOKEN": "internal-token-of-the-measured-gateway",
            "SLUICE_RESERVATION_KEY": "reservation-key-of-the-measured-gateway",
            "SLUICE_VAR_DIR": str(self._home),
            **self._settings,
        }


def pinned(core: str) -> list[str]:
    """The words before a command that bind it to a core, where taskset exists."""
    return ["taskset", "-c", core] if shutil.which("taskset") else []


def _envelope(document: dict[str, object]) -> str:
    body = json.dumps(document)
    mac = hmac.new(SNAPSHOT_KEY.encode(), body.encode(), hashlib.sha256).hexdigest()
    return json.dumps({"version": document["version"], "mac": mac, "body": body})
