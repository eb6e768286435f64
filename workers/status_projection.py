"""What the shopper sees of a reservation, kept in the work Redis for the gateway (DESIGN §4.10).

A cache: PostgreSQL is the truth, and without it the gateway answers from the shard what it knows.
"""

from collections.abc import Iterable

import redis

from control_plane.orders.services import Landed
from workers.runtime.clock import to_ms

KEY_PREFIX = "reservation:"
# Longer than any sale and its payments; afterwards the order's own pages answer.
TTL_S = 2 * 24 * 3600
TIMEOUT_S = 2.0
# What the shopper is told for the state of an order; a rejection has none.
STATES = {
    "": "rejected",
    "unpaid": "confirmed",
    "paid": "paid",
    "expired": "expired",
    "cancelled": "cancelled",
}

# One call a batch: a pipeline of SETs costs the client ten times as much.
_WRITE = """
for i = 1, #KEYS do redis.call("SET", KEYS[i], ARGV[i + 1], "EX", ARGV[1]) end
return #KEYS
"""
# Lua's stack bounds the arguments of one call.
_KEYS_A_CALL = 1000


def connect(url: str) -> "redis.Redis":
    """A client whose calls end within TIMEOUT_S."""
    return redis.Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)


def write(work_redis: "redis.Redis", outcomes: Iterable[Landed]) -> None:
    """Store every outcome; repeat safe. Raises redis.RedisError."""
    pairs = [(KEY_PREFIX + one.reservation_id, status(one)) for one in outcomes]
    for first in range(0, len(pairs), _KEYS_A_CALL):
        some = pairs[first : first + _KEYS_A_CALL]
        keys, values = zip(*some, strict=True)
        work_redis.eval(_WRITE, len(keys), *keys, TTL_S, *values)


def status(landed: Landed) -> str:
    """The JSON body of GET /v1/reservations/{id}, with the shopper it may be shown to.

    Written out for the same reason as `order_events.decided`.
    """
    head = (
        f'{{"reservation_id":"{landed.reservation_id}","item":{landed.item},"qty":{landed.qty},'
        f'"shopper":"{landed.shopper}","state":"{STATES[landed.state]}"'
    )
    if landed.order_id is None or landed.pay_by is None:
        return f'{head},"reason":"{landed.reason}"}}'
    return f'{head},"order":"{landed.number}","pay_by_ms":{to_ms(landed.pay_by)}}}'
