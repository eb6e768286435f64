"""The stock Redis under the drill: who is whose master, failovers, lost state."""

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import redis
from redis.crc import key_slot

from deploy.local.servers import stock_cluster, stock_node
from deploy.local.servers.redis import stock_client
from tests.drill.drill import DrillBroken
from tests.drill.ground import Ground, wait_for

RELAY_GROUP = "relay"
PAUSE_MS = 120_000
WHOLE_S = 25.0


def tag(item: int, shard: int, epoch: int) -> str:
    """What stands between the braces of a shard's keys, and the braces."""
    return f"{{i{item}:s{shard:02d}:e{epoch}}}"


class StockNodes:
    """The nodes of the primary cluster; a client lives as long as its call."""

    def __init__(self, ground: Ground) -> None:
        self._ground, self._site = ground, ground.site
        self.names = self._site.settings.stock_nodes

    def client(self, node: str) -> redis.Redis:
        """A connection as `operator`; close it."""
        return stock_client(self._site, node)

    def roles(self) -> dict[str, str]:
        """`master`, `replica of 2`, or nothing, of each node."""
        return {node: stock_node.role(self._site, node) for node in self.names}

    def master_of(self, where: str) -> str:
        """The node that serves the slot of a tag, as the masters themselves say."""
        slot = key_slot(where.encode())
        for node in self.names:
            with contextlib.suppress(redis.RedisError), self.client(node) as client:
                if stock_node.role_of(client)[0] == "master":
                    own = stock_node.ask(client, "MYID")
                    if slot in stock_node.known_nodes(client)[own].slots:
                        return node
        raise DrillBroken(f"no master has the slot of {where}")

    def replica_of(self, master: str) -> str:
        """The node that copies this one."""
        number = master.rpartition("-")[2]
        for node, role in self.roles().items():
            if role == f"replica of {number}":
                return node
        raise DrillBroken(f"nobody copies {master}: {self.roles()}")

    @contextlib.contextmanager
    def stale(self, replica: str) -> Iterator[None]:
        """The replica goes on acknowledging and takes nothing over, so its master sells on.

        CLIENT PAUSE … WRITE holds up its master's stream as if it were a client that writes
        (seen on 7.0.15); REPLCONF ACK is sent by a timer all the same. A cut link would make the
        master refuse writes (min-replicas-to-write), and then nothing could be lost.
        """
        with self.client(replica) as client:
            client.execute_command("CLIENT", "PAUSE", PAUSE_MS, "WRITE")
        try:
            yield
        finally:
            with self.client(replica) as client:
                client.execute_command("CLIENT", "UNPAUSE")

    def take_over(self, replica: str) -> float:
        """CLUSTER FAILOVER TAKEOVER, and wait until it says that it is the master; when it was."""
        with self.client(replica) as client:
            stock_node.ask(client, "FAILOVER", "TAKEOVER")
        began = time.monotonic()
        wait_for(
            lambda: stock_node.role(self._site, replica) == "master", f"{replica} to take over"
        )
        return began

    def go_home(self) -> None:
        """The first half of the nodes are the masters again, as they were laid out."""
        first = self.names[: len(self.names) // 2]
        for node, role in self.roles().items():
            if node in first and role.startswith("replica of "):
                master = f"{node.rpartition('-')[0]}-{role.removeprefix('replica of ')}"
                self.wait_for_copy(master, node)
                self.take_over(node)
        self.wait_until_whole()

    def wait_for_copy(self, master: str, replica: str) -> None:
        """Until `replica` copies `master` and has all of it."""

        def copies() -> bool:
            with contextlib.suppress(redis.RedisError), self.client(replica) as client:
                role = stock_node.role_of(client)
                port = self._site.port(master)
                return role[0] == "slave" and int(role[2]) == port and role[3] == "connected"
            return False

        wait_for(copies, f"{replica} to copy {master}")

    def wait_for_promotion(self, replica: str, deadline_s: float = 12.0) -> float:
        """Until the others have made it master; when that was."""
        wait_for(
            lambda: stock_node.role(self._site, replica) == "master",
            f"{replica} to be promoted",
            deadline_s,
        )
        return time.monotonic()

    def pending(self, where: str) -> dict[str, int]:
        """Relay → outbox entries that it has read and not acknowledged."""
        with self.client(self.master_of(where)) as client:
            found = _unacknowledged(client, where)
        return {str(one["name"]): int(one["pending"]) for one in found["consumers"]}

    def unsent_since(self, where: str) -> float:
        """When the oldest entry came that the relay has not acknowledged; else now (Unix)."""
        outbox = f"{where}:outbox"
        with self.client(self.master_of(where)) as client:
            [group] = cast(list[dict[str, Any]], client.xinfo_groups(outbox))
            unread: Any = client.xrange(outbox, f"({group['last-delivered-id']}", count=1)
            unsent = [str(entry) for entry, _ in unread]
            if group["pending"]:
                unsent.append(str(_unacknowledged(client, where)["min"]))
            now: Any = client.time()
        came = [int(entry.split("-")[0]) / 1000 for entry in unsent]
        came.append(float(now[0]) + float(now[1]) / 1e6)
        return min(came)

    def complaints(self) -> list[str]:
        """What keeps the cluster from being whole."""
        return stock_cluster.complaints(self._site)

    def wait_until_whole(self) -> float:
        """Every slot served, every master copied; how long it took."""
        began = time.monotonic()
        wait_for(lambda: not self.complaints(), "a whole cluster", WHOLE_S, 0.1)
        return time.monotonic() - began

    def copy_of_disk(self, node: str, name: str) -> Path:
        """The AOF as it is now. The last entry may be cut off; Redis forgives that."""
        kept = self._site.folder("kept") / name
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(self._site.state / node / "appendonlydir", kept)
        return kept

    def put_back_disk(self, node: str, kept: Path) -> None:
        """The older AOF in place of the newer one; the node must not run."""
        folder = self._site.state / node / "appendonlydir"
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)


def _unacknowledged(client: redis.Redis, where: str) -> dict[str, Any]:
    """XPENDING in short, of what the relays have read."""
    return client.xpending(f"{where}:outbox", RELAY_GROUP)
