"""A private stock Redis whose disk can be put back to an earlier moment."""

import shutil
from pathlib import Path

from tests.redis.server import StockServer
from tests.redis.waiting import until


class StockDisk:
    """The server, and copies of its append-only file."""

    def __init__(self, folder: Path) -> None:
        self.server = StockServer(folder / "redis")
        self._aof = folder / "redis" / "appendonlydir"
        self._copy = folder / "earlier"

    def start(self) -> None:
        """A whole cluster of one node."""
        self.server.start()
        self.server.own_all_slots()

    def remember(self) -> None:
        """Copy the AOF as it is now; the server stands still meanwhile."""
        self.server.freeze()
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self._aof, self._copy)
        self.server.thaw()

    def roll_back(self) -> None:
        """A power cut, a disk that had not written what it said it had, and a start from it."""
        self.server.kill()
        shutil.rmtree(self._aof)
        shutil.copytree(self._copy, self._aof)
        self._start_again()

    def restart(self) -> None:
        """A power cut that lost nothing."""
        self.server.kill()
        self._start_again()

    def _start_again(self) -> None:
        self.server.start()
        until(self.server.is_whole, "the cluster is whole again")
