"""A work Redis that is full forgets statuses, which PostgreSQL knows too, and nothing else."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from control_plane.orders import projection
from control_plane.orders.landed import Landed
from deploy.local.servers.redis import work_configuration
from tests.gateway.plain_redis import PlainRedis
from tests.redis.waiting import until

MANY = 40_000
NEW = 4000
TASKS = 200
NOW = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.fixture
def full(tmp_path):
    """Room for a third of them, and the delivered rule of what goes first."""
    policy = re.search(r"^maxmemory-policy (\S+)$", work_configuration(Path(), 1, "x"), re.M)
    assert policy
    plain = PlainRedis(tmp_path / "redis")
    with (
        plain.running(appendonly="no", **{"maxmemory-policy": policy[1], "maxmemory": "6mb"}),
        projection.connect(f"redis://127.0.0.1:{plain.port}/0") as client,
    ):
        yield client


def _outcome(number):
    return Landed(
        f"1-0-1-{number}", 1, f"shopper-{number}", 1, None, "", "sold_out", "", 0, "", NOW, NOW,
        fresh=True, late=False,
    )  # fmt: skip


def test_tasks_and_queues_go_on_while_old_statuses_are_forgotten(full):
    full.rpush("celery", *[f"task {n}" for n in range(TASKS)])
    full.set("queue:1:served", 7)
    projection.write(full, map(_outcome, range(MANY)))
    # Which is older is known to the second.
    second = full.info("server")["lru_clock"]
    until(lambda: full.info("server")["lru_clock"] > second, "the next second")
    projection.write(full, map(_outcome, range(MANY, MANY + NEW)))
    assert full.info("stats")["evicted_keys"] > 0
    assert full.llen("celery") == TASKS
    assert full.get("queue:1:served") == b"7"
    newest = [f"{projection.KEY_PREFIX}1-0-1-{n}" for n in range(MANY, MANY + NEW)]
    assert sum(one is not None for one in full.mget(newest)) > 0.9 * NEW
    full.rpush("celery", "one more")
