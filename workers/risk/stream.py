"""Bans on the way to the gateways: the stream `sluice:bans` of the work Redis."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

import redis

from workers.risk.penalties import Ban
from workers.runtime.verdicts import Unavailable

STREAM = "sluice:bans"
# A gateway that starts reads it from the first entry; more bans than this are not in force at once.
LENGTH_MAX = 100_000
TIMEOUT_S = 0.5
# So many are on their way at once: the time-out is for one pipeline.
TOLD_AT_ONCE = 2_000


class BanStream:
    """Writes entries of kind, value, until_ms and reason; who reads keeps the last word of each."""

    def __init__(self, work_redis: "redis.Redis") -> None:
        self._redis = work_redis

    @classmethod
    def connect(cls, url: str) -> "BanStream":
        """Made without connecting."""
        client = redis.Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
        )
        return cls(client)

    def tell(self, bans: Iterable[Ban]) -> None:
        """In pipelines; raises Unavailable, then some may have been told. May be repeated."""
        rest = iter(bans)
        while some := list(islice(rest, TOLD_AT_ONCE)):
            pipeline = self._redis.pipeline(transaction=False)
            for ban in some:
                fields: dict[Any, Any] = {name: str(value) for name, value in ban._asdict().items()}
                pipeline.xadd(STREAM, fields, maxlen=LENGTH_MAX, approximate=True)
            try:
                pipeline.execute()
            except redis.RedisError as error:
                raise Unavailable(f"work Redis: {error}") from error

    def ever_told(self) -> int:
        """How many entries were ever added to the stream; raises Unavailable.

        Fewer than before: the work Redis has lost data. Trimming does not change it.
        """
        try:
            if not self._redis.exists(STREAM):
                return 0
            return int(self._redis.xinfo_stream(STREAM)["entries-added"])
        except redis.RedisError as error:
            raise Unavailable(f"work Redis: {error}") from error
