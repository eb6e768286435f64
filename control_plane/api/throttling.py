"""How often a key may ask: a bucket of tokens in the work Redis, taken in one step.

Fails open: the API is how people steer a sale while the work Redis is away, and what it protects
(PostgreSQL) has limits of its own.
"""

import logging
import math
from functools import cache
from typing import Any

import redis
from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from control_plane.api.authentication import key_of

KEY_PREFIX = "api-rate:"
TIMEOUT_S = 0.25
# GCRA: the time at which the bucket is full again is all that is stored. Reads Redis' clock, so
# that every control plane counts by the same one. Returns 0, or the milliseconds to wait.
_TAKE = """
local time = redis.call("TIME")
local now_us = time[1] * 1000000 + time[2]
local every_us, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local full_at_us = math.max(tonumber(redis.call("GET", KEYS[1]) or 0), now_us) + every_us
local early_us = full_at_us - now_us - burst * every_us
if early_us > 0 then
  return math.ceil(early_us / 1000)
end
local full_in_ms = math.ceil((full_at_us - now_us) / 1000)
redis.call("SET", KEYS[1], string.format("%.0f", full_at_us), "PX", full_in_ms)
return 0
"""

log = logging.getLogger(__name__)


class PerCaller(BaseThrottle):
    """Each key and each person of the staff has a bucket; strangers have been refused before."""

    def __init__(self) -> None:
        self._wait_ms = 0

    def allow_request(self, request: Request, view: Any) -> bool:
        """Take a token; False when there is none."""
        if not request.user or not request.user.is_authenticated:
            return True
        key = key_of(request)
        caller = f"user:{request.user.pk}" if key is None else f"key:{key.prefix}"
        rate, burst = settings.ENV.api_rate_per_s, settings.ENV.api_burst
        try:
            self._wait_ms = take(caller, rate, burst)
        except redis.RedisError as error:
            log.warning("API not throttled: %s", error)
        return self._wait_ms == 0

    def wait(self) -> float:
        """Whole seconds for `Retry-After`, rounded up by DRF."""
        return math.ceil(self._wait_ms / 1000)


def take(caller: str, rate_per_s: float, burst: int) -> int:
    """0, or for how many milliseconds the bucket stays empty. Raises redis.RedisError."""
    every_us = round(1_000_000 / rate_per_s)
    answer: Any = _work_redis().eval(_TAKE, 1, KEY_PREFIX + caller, every_us, burst)
    return int(answer)


@cache
def _work_redis() -> "redis.Redis":
    """One client a process; it reconnects by itself."""
    return redis.Redis.from_url(
        settings.ENV.work_redis_url,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
    )
