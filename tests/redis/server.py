"""A private stock Redis: the configuration and the users of the stack, on its own port."""

import signal
import subprocess
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from deploy.local.servers.redis import SLOTS, cluster_info, stock_configuration
from tests.redis.ports import free_port
from tests.redis.waiting import until

PASSWORDS = MappingProxyType({name: f"{name}-pw" for name in ("operator", "worker", "gateway")})
TIMEOUT_S = 10.0

# redis-py types an answer as the union of all that its protocols and settings could make of it.
Client = Any


class StockServer:
    """One node in cluster mode, AOF with fsync always. Its files stay in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._bus = free_port()
        folder.mkdir(parents=True)
        self._configuration = folder / "redis.conf"
        self._configuration.write_text(
            stock_configuration(folder, self.port, self._bus, dict(PASSWORDS))
        )
        self._log = folder / "redis.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.operator = self.client("operator")
        self.worker = self.client("worker")
        self.gateway = self.client("gateway")

    @property
    def address(self) -> str:
        """host:port, as SLUICE_STOCK_REDIS has it."""
        return f"127.0.0.1:{self.port}"

    def client(self, user: str) -> Client:
        """A client of one of the stack's users; it never retries by itself."""
        return redis.Redis(
            host="127.0.0.1",
            port=self.port,
            username=user,
            password=PASSWORDS[user],
            socket_timeout=TIMEOUT_S,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),
        )

    def start(self) -> None:
        """Start, also after `kill`; returns when it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["redis-server", str(self._configuration)], stdout=log, stderr=log
            )
        until(self._answers, f"redis-server on {self.port} answers, see {self._log}")

    def own_all_slots(self) -> None:
        """Make this node a whole cluster."""
        self.operator.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
        until(self.is_whole, "the cluster is whole")

    def is_whole(self) -> bool:
        """Whether this node sees all slots served."""
        info = cluster_info(self.operator)
        return info["cluster_state"] == "ok" and int(info["cluster_slots_ok"]) == SLOTS

    def meet(self, other: "StockServer") -> None:
        """Join another node's cluster; returns when each knows the other."""
        self.operator.execute_command("CLUSTER", "MEET", "127.0.0.1", other.port, other._bus)
        for one, two in ((self, other), (other, self)):
            until(partial(one._knows, two), "the nodes know each other")

    @property
    def node_id(self) -> str:
        """CLUSTER MYID."""
        return str(self.operator.execute_command("CLUSTER MYID"))

    def _knows(self, other: "StockServer") -> bool:
        lines = str(self.operator.execute_command("CLUSTER NODES")).splitlines()
        return any(other.node_id in line and "handshake" not in line for line in lines)

    def freeze(self) -> None:
        """Stop its clock: connections stay open, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """As a power cut: nothing is said to anybody."""
        self._signal(signal.SIGKILL)
        assert self._process
        self._process.wait()
        self._process = None
        for client in (self.operator, self.worker, self.gateway):
            client.connection_pool.disconnect()

    def stop(self) -> None:
        """End it, whatever state it is in."""
        if self._process:
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process, "not running"
        self._process.send_signal(number)

    def _answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, f"redis-server ended, see {self._log}"
        try:
            return bool(self.operator.ping())
        except (redis.ConnectionError, redis.exceptions.BusyLoadingError):
            return False
