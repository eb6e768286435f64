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

from deploy.local.servers.redis import (
    SLOTS,
    cluster_info,
    replication_configuration,
    stock_configuration,
)
from tests.redis.ports import free_port
from tests.redis.waiting import until

PASSWORDS = MappingProxyType({name: f"{name}-pw" for name in ("operator", "worker", "gateway")})
REPLICA_PASSWORD = "replica-pw"
TIMEOUT_S = 10.0

# redis-py types an answer as the union of all that its protocols and settings could make of it.
Client = Any


class StockServer:
    """One node in cluster mode, AOF with fsync always. Its files stay in `folder`.

    `replicated`: configured as the nodes of a cluster with replicas are.
    """

    def __init__(self, folder: Path, replicated: bool = False) -> None:
        self.port = free_port()
        self._bus = free_port()
        folder.mkdir(parents=True)
        self._configuration = folder / "redis.conf"
        text = stock_configuration(folder, self.port, self._bus, dict(PASSWORDS))
        if replicated:
            text += replication_configuration(self.port, self._bus, REPLICA_PASSWORD)
        self._configuration.write_text(text)
        self._log = folder / "redis.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.operator = self.client("operator")
        self.worker = self.client("worker")
        self.gateway = self.client("gateway")

    @property
    def address(self) -> str:
        """host:port, as SLUICE_STOCK_REDIS has it."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process, "not running"
        return self._process.pid

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

    def take_number(self, number: int) -> None:
        """Its place among masters that claim the same slots, to be given before it meets others.

        Two that have the same settle it by their ids, and then a promoted replica may be the one
        that gives way.
        """
        self.operator.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number)

    def meet(self, other: "StockServer") -> None:
        """Join another node's cluster; returns when each knows the other."""
        self.operator.execute_command("CLUSTER", "MEET", "127.0.0.1", other.port, other._bus)
        for one, two in ((self, other), (other, self)):
            until(partial(one._knows, two), "the nodes know each other")

    @property
    def node_id(self) -> str:
        """CLUSTER MYID."""
        return str(self.operator.execute_command("CLUSTER MYID"))

    @property
    def life(self) -> str:
        """The replication id: an epoch belongs to one."""
        return str(self.replication()["master_replid"])

    def replication(self) -> dict[str, Any]:
        """INFO replication."""
        return dict(self.worker.info("replication"))

    def now_ms(self) -> int:
        """The node's clock."""
        seconds, micros = self.worker.time()
        return int(seconds) * 1000 + int(micros) // 1000

    def copy(self, master: "StockServer") -> None:
        """Become its replica; returns when every write so far has arrived."""
        # Who has not heard of its master's slots yet would take over none of them.
        until(self._knows_all_slots, "the node knows who has the slots")
        self.operator.execute_command("CLUSTER", "REPLICATE", master.node_id)
        until(self.has_stream, "the replica has its master's stream")
        until(partial(master.is_copied_by, self), "the replica has all writes")

    def has_stream(self) -> bool:
        """Whether it is a replica whose link is up."""
        seen = self.replication()
        return bool(seen["role"] == "slave" and seen["master_link_status"] == "up")

    def is_copied_by(self, replica: "StockServer") -> bool:
        """Whether the replica, as it says itself, has all that was written here."""
        theirs = replica.replication()
        ours = int(self.replication()["master_repl_offset"])
        return theirs["role"] == "slave" and int(theirs["slave_repl_offset"]) >= ours

    def take_over(self) -> None:
        """Become master of the slots at once, whatever the others say."""
        self.operator.execute_command("CLUSTER", "FAILOVER", "TAKEOVER")
        until(lambda: self.replication()["role"] == "master", "the replica is promoted")
        until(self.is_whole, "it serves the slots")

    def _knows_all_slots(self) -> bool:
        return int(cluster_info(self.operator)["cluster_slots_assigned"]) == SLOTS

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
