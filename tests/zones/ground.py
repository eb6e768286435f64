"""The stack over three zones: one supervisord in each, started in order, all from the street."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from deploy.local import environment
from deploy.local.process import CannotStart, Process, Unhealthy
from deploy.local.servers import control_plane, gateway, kafka, postgres, stock_cluster, work_redis
from deploy.local.site import ROOT
from deploy.local.stack import Stack
from deploy.local.supervision import Supervisor
from deploy.local.supervisord_conf import Program
from tests.drill.ground import Ground
from tests.zones import layout
from tests.zones.layout import CENTRE, PROFILE, SELLING, SITES, STOCK
from tests.zones.network import ZONES, Network

POLL_S = 0.1
# So long a statement or a connection of the drill's own waits for PostgreSQL behind a cut wire.
OWN_DATABASE = "?connect_timeout=2&tcp_user_timeout=4000"


class ZonesGround(Ground):
    """A drill's ground that is spread out; what is done to one process is done in zone c."""

    def __init__(self, network: Network) -> None:
        super().__init__(PROFILE)
        self.network = network
        self.site = SITES[CENTRE]
        self.stack = Stack(self.site)
        self._supervisors = {
            zone: Supervisor(one, network.entering(zone)) for zone, one in SITES.items()
        }
        self._processes = {zone: processes_of(zone) for zone in ZONES}

    def up(self, keep_data: bool = False) -> None:
        """Begin with nothing, and start everything. Raises CannotStart."""
        if keep_data:
            # Of another process namespace: that number is somebody else's now.
            (postgres.home(self.site) / "data" / "postmaster.pid").unlink(missing_ok=True)
        else:
            _forget()
        self.environment = _own_environment()
        for zone, supervisor in self._supervisors.items():
            supervisor.configure(
                [
                    Program(process, process.command(SITES[zone]), layout.share(zone, process.name))
                    for process in self._processes[zone]
                ]
            )
            supervisor.start()
        self._servers()
        self._timed("topics", self._make_topics)
        if not control_plane.MIGRATIONS.done(self.site):
            self._timed("migrations", lambda: control_plane.MIGRATIONS.run(self.site))
        for process in (control_plane.WEB, *layout.WORKERS):
            self._bring_up(CENTRE, process)
        for zone in SELLING:
            layout.prepare_gateway(zone)
            self._bring_up(zone, gateway.PROCESS, prepared=True)

    def unhealthy(self) -> list[str]:
        """Processes that are not well, with what is wrong."""
        wrong = []
        for zone in ZONES:
            for process in self._processes[zone]:
                try:
                    process.healthy(SITES[zone])
                except Unhealthy as error:
                    wrong.append(f"{process.name} in zone {zone}: {error}")
        return wrong

    def _servers(self) -> None:
        self._bring_up(CENTRE, postgres.PROCESS)
        for process in _stock_nodes():
            self._bring_up(STOCK.get(process.name, CENTRE), process)
        self._timed("redis-stock-cluster", lambda: stock_cluster.form(self.site))
        self._bring_up(CENTRE, work_redis.PROCESS)
        cluster_id = kafka.new_cluster_id()
        for zone in ZONES:  # none of them is well before a second one is there
            layout.prepare_broker(zone, cluster_id)
            self._start(zone, kafka.PROCESS)
        for zone in ZONES:
            self._timed(f"kafka in {zone}", partial(self._wait, zone, kafka.PROCESS, kafka.alive))

    def _bring_up(self, zone: str, process: Process, prepared: bool = False) -> None:
        def start() -> None:
            if not prepared:
                process.prepare(SITES[zone])
                layout.listen_for_others(zone, process.name)
            self._start(zone, process)
            self._wait(zone, process, process.is_alive)
            process.finish(SITES[zone])
            self._wait(zone, process, process.is_up)

        self._timed(f"{process.name} in {zone}", start)

    def _timed(self, what: str, do: Callable[[], object]) -> None:
        began = time.monotonic()
        do()
        print(f"  {what:<26} {time.monotonic() - began:.1f} s", flush=True)

    def _start(self, zone: str, process: Process) -> None:
        self._supervisors[zone].rpc.startProcess(process.name, False)

    def _wait(self, zone: str, process: Process, check: Callable[..., object]) -> None:
        give_up = time.monotonic() + 2 * process.deadline_s
        while True:
            try:
                check(SITES[zone])
            except Unhealthy as wrong:
                if time.monotonic() > give_up:
                    log = self._supervisors[zone].log(process.name)
                    raise CannotStart(
                        f"{process.name} in zone {zone}: {wrong}; see {log}"
                    ) from wrong
                time.sleep(POLL_S)
            else:
                return

    def _make_topics(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "deploy.images.topics", "--replicas", str(len(ZONES))],
            check=False,
            cwd=ROOT,
            env=os.environ | {"SLUICE_KAFKA_BROKERS": layout.brokers()},
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise CannotStart(f"topics: {done.stderr.strip()[-2000:]}")


def _own_environment() -> dict[str, str]:
    """For the drill itself, which hangs up on a database that is out of reach."""
    told = environment.values(SITES[CENTRE]) | {"SLUICE_KAFKA_BROKERS": layout.brokers()}
    databases = ("SLUICE_SALE_DSN", "SLUICE_INVENTORY_DSN")
    return told | {name: told[name] + OWN_DATABASE for name in databases}


def _stock_nodes() -> list[Process]:
    return [step for step in stock_cluster.steps(SITES[CENTRE]) if isinstance(step, Process)]


def processes_of(zone: str) -> list[Process]:
    """What supervisord runs in a zone."""
    found = [one for one in _stock_nodes() if STOCK.get(one.name, CENTRE) == zone]
    found.append(kafka.PROCESS)
    if zone in SELLING:
        found.append(gateway.PROCESS)
    if zone == CENTRE:
        found += [postgres.PROCESS, work_redis.PROCESS, control_plane.WEB, *layout.WORKERS]
    return found


def _forget() -> None:
    """Data of an earlier run, wherever PostgreSQL's is."""
    with suppress(FileNotFoundError):
        shutil.rmtree((layout.STATE / CENTRE / "postgres").resolve())
    shutil.rmtree(layout.STATE, ignore_errors=True)
