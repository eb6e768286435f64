"""One queue on a private Redis: opened and looked at as the worker, asked as the gateway."""

from typing import Any

from tests.redis.server import PASSWORDS, StockServer
from workers.queue import line
from workers.queue.line import Called, Looked, Opening, QueueKeys
from workers.runtime.env import StockRedis
from workers.stock import scripts
from workers.stock.cluster import StockCluster

MANY = 10_000_000


class Queue:
    """Of one item; everybody has tickets of generation 1 on."""

    def __init__(self, server: StockServer, item: int, buckets: int = 1) -> None:
        self.server, self.keys, self.generation = server, QueueKeys(item, buckets), 0
        account = StockRedis((("127.0.0.1", server.port),), "worker", PASSWORDS["worker"])
        self.cluster = StockCluster(account, "test")
        self.count = buckets
        self.take_numbers, self.join_lobby = scripts.TAKE_NUMBERS, scripts.JOIN_LOBBY

    def open(self, *, lobby: bool = False, **values: Any) -> None:
        """The next generation."""
        self.generation = values.pop("generation", self.generation + 1)
        begun: dict[str, Any] = {
            "oldest": 1,
            "window": [Called(0, 0)] * self.count,
            "numbers": [0] * self.count,
            "ceilings": [MANY] * self.count,
            "lobby": [0] * self.count,
            "lobby_ceilings": [MANY] * self.count,
        }
        opening = Opening(self.generation, lobby_is_open=lobby, **(begun | values))
        line.open_queue(self.cluster, self.keys, opening)

    def look(self) -> Looked:
        """What the controller sees."""
        return line.look(self.cluster, self.keys, self.generation)

    def move(self, *window: Called, ceilings: int = 0, sold_out_ms: int = 0) -> list[Called]:
        """Every bucket's window."""
        many = [ceilings] * self.count
        generation = self.generation
        return line.move(self.cluster, self.keys, generation, window, many, many, sold_out_ms)

    def close_lobby(self) -> list[int]:
        """The sizes."""
        return line.close_lobby(self.cluster, self.keys, self.generation)

    def take(self, *wants: int, came: str = "", asked: str = "") -> list[Any]:
        """As a gateway worker does: generation, oldest, window, sold_out, firsts, asked."""
        wanted = ",".join(str(want) for want in wants or [0] * self.count)
        return self.run(wanted, came, asked)

    def run(self, *arguments: str) -> list[Any]:
        """take_numbers.lua with arguments as they are."""
        keys = [self.keys.ctl, self.keys.numbers, *self.keys.came]
        sha = self.take_numbers.sha
        return list(self.server.gateway.evalsha(sha, len(keys), *keys, *arguments))

    def join(self, *lines: str) -> list[str]:
        """join_lobby.lua: a letter and a number for each line."""
        keys = [self.keys.ctl, self.keys.lobby, self.keys.seen, self.keys.numbers]
        sha = self.join_lobby.sha
        _, answers = self.server.gateway.evalsha(sha, len(keys), *keys, *lines)
        return str(answers).split(",")

    def memory(self) -> int:
        """Bytes of all keys but the filter, which is of a fixed size."""
        names = [self.keys.ctl, self.keys.numbers, self.keys.lobby, *self.keys.came]
        return sum(int(self.server.operator.memory_usage(name) or 0) for name in names)
