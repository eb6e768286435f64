"""A private work Redis, with a password and without a file."""

import subprocess
from pathlib import Path

import redis

from tests.redis.ports import free_port
from tests.redis.server import Client
from tests.redis.waiting import until

PASSWORD = "work-pw"


class WorkRedis:
    """Holds the status projections. Stopped, it has forgotten everything."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.client: Client = redis.Redis(port=self.port, password=PASSWORD, decode_responses=True)

    @property
    def url(self) -> str:
        """As SLUICE_WORK_REDIS_URL has it."""
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start; returns when it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self._folder),
            "save": "",
            "requirepass": PASSWORD,
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._process = subprocess.Popen(
            ["redis-server", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self._answers, "the work Redis answers")

    def stop(self) -> None:
        """End it at once."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
            self.client.connection_pool.disconnect()

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False
