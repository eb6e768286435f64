"""Bans on the way to the gateways: the stream `sluice:bans` of the work Redis."""

from collections.abc import Iterable

import redis

from workers.risk.penalties import Ban
from workers.runtime.verdicts import Unavailable

STREAM = "sluice:bans"
# A gateway that starts reads it from the first entry; more bans than this are not in force at once.
LENGTH_MAX = 100_000
TIMEOUT_S = 0.5


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
        """In one pipeline; raises Unavailable, then some may have been told. May be repeated."""
        pipeline = self._redis.pipeline(transaction=False)
        for ban in bans:
            fields = {name: str(value) for name, value in ban._asdict().items()}
            pipeline.xadd(STREAM, fields, maxlen=LENGTH_MAX, approximate=True)  # type: ignore[arg-type]
        try:
            pipeline.execute()
        except redis.RedisError as error:
            raise Unavailable(f"work Redis: {error}") from error

    def is_there(self) -> bool:
        """False after the work Redis has lost its data; raises Unavailable."""
        try:
            return bool(self._redis.exists(STREAM))
        except redis.RedisError as error:
            raise Unavailable(f"work Redis: {error}") from error
