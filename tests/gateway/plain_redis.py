"""A Redis outside of any cluster."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from tests.redis.ports import free_port
from tests.redis.server import PASSWORDS
from tests.redis.waiting import until


class PlainRedis:
    """A Redis outside of the cluster, where it would say MOVED or CLUSTERDOWN before all else."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        folder.mkdir()

    @contextmanager
    def running(self, **options: str) -> Iterator[Any]:
        """A client of it. The gateway's user may come in."""
        every = {
            "port": str(self.port),
            "dir": str(self._folder),
            "user": f"gateway on >{PASSWORDS['gateway']} ~* +@all",
            **options,
        }
        words = [word for name, value in every.items() for word in (f"--{name}", *value.split())]
        process = subprocess.Popen(["redis-server", *words], stdout=subprocess.DEVNULL)
        client = redis.Redis(port=self.port, decode_responses=True)
        try:
            until(lambda: _answers(client), "it answers")
            yield client
        finally:
            process.kill()
            process.wait()
            client.close()


def _answers(client: Any) -> bool:
    try:
        return bool(client.ping())
    except redis.exceptions.BusyLoadingError:
        return True  # this one is a ConnectionError too
    except redis.ConnectionError:
        return False
    except redis.ResponseError:
        return True
