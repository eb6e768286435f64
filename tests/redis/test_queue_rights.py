"""What the gateway's Redis user may do to queues: its calls, and nothing that moves a window."""

import re
from pathlib import Path

import pytest
import redis

from tests.redis.queue_keys import Queue
from tests.redis.server import StockServer
from workers.queue.line import Called
from workers.stock import scripts

SHAS = Path(__file__).parents[2] / "openresty" / "gateway" / "queue" / "scripts.lua"


@pytest.fixture
def queue(server: StockServer, unused_item: int) -> Queue:
    """An open one with a lobby."""
    made = Queue(server, unused_item)
    made.open(lobby=True)
    return made


def test_the_gateway_calls_the_scripts_that_are_in_the_tree() -> None:
    known = dict(re.findall(r'(\w+) = "([0-9a-f]{40})"', SHAS.read_text()))
    assert known == {
        "take_numbers": scripts.TAKE_NUMBERS.sha,
        "join_lobby": scripts.JOIN_LOBBY.sha,
    }


def test_the_gateway_may_do_all_it_has_to(queue: Queue) -> None:
    queue.move(Called(3, 2))
    assert queue.take(2, came="0:2", asked="0:1")[4:6] == ["0", "2"]
    assert queue.join("0 1 2 3 4") == ["L0"]


@pytest.mark.parametrize(
    "command",
    [
        ("HSET", "{q1}:ctl", "window", "9:0:0"),
        ("HINCRBY", "{q1}:ctl", "generation", 1),
        ("DEL", "{q1}:numbers"),
        ("HSET", "{q1}:numbers", 0, 0),
        ("HDEL", "{q1}:numbers", 0),
        ("SET", "{q1}:came:0", "x"),
        ("DEL", "{q1}:seen"),
        ("HINCRBY", "{i1:s00:e1}:ctl", "sold", 1),
        ("SETBIT", "{i1:s00:e1}:avail", 1, 1),
        ("HGETALL", "{q1}:ctl"),
        ("GET", "{q1}:other"),
    ],
)
def test_the_gateway_may_not(server: StockServer, command: tuple[str | int, ...]) -> None:
    with server.client("gateway") as gateway, pytest.raises(redis.exceptions.NoPermissionError):
        gateway.execute_command(*command)


@pytest.mark.parametrize(
    ("script", "keys", "arguments"),
    [
        (scripts.MOVE_WINDOW, ("ctl",), (1, "9:0:0", "9", "9", 0)),
        (scripts.CLOSE_LOBBY, ("ctl", "lobby", "seen", "came"), (1,)),
        (
            scripts.OPEN_QUEUE,
            ("ctl", "numbers", "lobby", "seen", "came"),
            (2, "LIFE", 1, "9:0:0", "0", "9", "0", "9", "open", ""),
        ),
    ],
    ids=["move_window", "close_lobby", "open_queue"],
)
def test_the_controllers_scripts_do_nothing_for_the_gateway(
    queue: Queue, script: scripts.Script, keys: tuple[str, ...], arguments: tuple[str | int, ...]
) -> None:
    # Redis has them once a controller has called them, and their SHA-1 is no secret.
    queue.server.worker.script_load(script.text)
    names = [queue.keys.came[0] if key == "came" else str(getattr(queue.keys, key)) for key in keys]
    words = [queue.server.life if word == "LIFE" else word for word in arguments]
    before = queue.server.operator.hgetall(queue.keys.ctl)
    with pytest.raises(redis.ResponseError, match=r"can't (access|run)"):
        queue.server.gateway.evalsha(script.sha, len(names), *names, *words)
    assert queue.server.operator.hgetall(queue.keys.ctl) == before
