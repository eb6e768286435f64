"""The workers' fixtures, and workers that die."""

import signal
from collections.abc import Callable

import pytest

from workers.tests import running
from workers.tests.broker import Broker
from workers.tests.conftest import broker, campaign, clock, cluster, env, item, work_redis

__all__ = ["broker", "campaign", "clock", "cluster", "env", "item", "work_redis"]

DEADLINE_S = 60


@pytest.fixture
def die_at(broker: Broker) -> Callable[[str], None]:
    """Run a worker until it has killed itself at the point."""

    def run(point: str) -> None:
        environ = running.environment(broker.names)
        process = running.start("tests.race.crash_at", environ, point)
        try:
            _, log = process.communicate(timeout=DEADLINE_S)
        finally:
            process.kill()
            process.wait()
        assert process.returncode == -signal.SIGKILL, log

    return run
