"""What the shopper sees of a reservation, kept in the work Redis for the gateway (DESIGN §4.10).

A cache: PostgreSQL is the truth, and without it the gateway answers from the shard what it knows.
Written by the order consumer when a reservation is decided, and by whoever changes an order, at the
same time: the highest rank stays, so that a late `confirmed` never covers an `expired`, and a late
payment's `paid` covers it.
"""

import logging
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from threading import Event

import redis
from django.conf import settings
from django.db import transaction

from control_plane.orders.landed import Landed
from control_plane.snapshot.document import epoch_ms

KEY_PREFIX = "reservation:"
# Says that all statuses are written (`mending.py`). Not one of a reservation: those have digits
# there.
MARKER = f"{KEY_PREFIX}mended"
# Says that a writer of this name has ended with nothing unwritten.
_DONE_PREFIX = "statuses-written:"
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
RANKS = {"rejected": 1, "confirmed": 1, "expired": 2, "cancelled": 2, "paid": 3}
assert RANKS.keys() == set(STATES.values())

# One text a call, key and status on each line: thousands of arguments cost the client three times
# as much, and a pipeline of SETs ten times. Nearly all keys are new and cost one SET; only what
# stood already is compared. What cannot be read has no rank and is written over.
_WRITE = (
    "local ranks = {"
    + ", ".join(f"{state} = {rank}" for state, rank in RANKS.items())
    + """}
local function rank(value)
  return value and ranks[string.match(value, '"state":"(%a+)"')] or 0
end
for key, status in string.gmatch(ARGV[2], "([^\\t]+)\\t([^\\n]+)\\n") do
  local stood = redis.call("SET", key, status, "EX", ARGV[1], "NX", "GET")
  if stood and rank(status) >= rank(stood) then
    redis.call("SET", key, status, "EX", ARGV[1])
  end
end
return 1
"""
)
# The gateway's readers wait for one call, 4 ms.
_STATUSES_A_CALL = 1000

# A batch has one time to pay, or a few: each is asked for thousands of times.
_ms = lru_cache(maxsize=16)(epoch_ms)

# This process could not write a status and has forgotten which.
_missed = Event()

log = logging.getLogger(__name__)


def connect(url: str) -> "redis.Redis":
    """A client whose calls end within TIMEOUT_S."""
    return redis.Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)


def write(work_redis: "redis.Redis", outcomes: Iterable[Landed]) -> None:
    """Store every outcome unless a newer one stands; repeat safe. Raises redis.RedisError."""
    lines = [f"{KEY_PREFIX}{one.reservation_id}\t{status(one)}\n" for one in outcomes]
    for first in range(0, len(lines), _STATUSES_A_CALL):
        work_redis.eval(_WRITE, 0, TTL_S, "".join(lines[first : first + _STATUSES_A_CALL]))


def write_or_log(work_redis: "redis.Redis", outcomes: Iterable[Landed]) -> None:
    """As `write`; orders do not wait for a cache: its failure is logged and mended later."""
    try:
        write(work_redis, outcomes)
        mend_missed(work_redis)
    except redis.RedisError as error:
        note_missed()
        log.warning("statuses not written: %s", error)


def note_missed() -> None:
    """Some statuses were not written and nobody will repeat it: `mend_missed` sees to them."""
    _missed.set()


def is_missed() -> bool:
    """Whether `mend_missed` has something to do."""
    return _missed.is_set()


def begin(work_redis: "redis.Redis", name: str) -> None:
    """Before the first `write` of a process that keeps what it could not write: see `end`.

    Unless the one before it has said so, it died with such statuses, or may have.
    """
    try:
        if work_redis.getdel(_DONE_PREFIX + name) is not None:
            return
    except redis.RedisError as error:
        log.warning("whether all statuses were written is unknown: %s", error)
    note_missed()


def end(work_redis: "redis.Redis", name: str) -> None:
    """All was written; unless that cannot be said, and then the next one begins by mending."""
    if is_missed():
        return
    try:
        work_redis.set(_DONE_PREFIX + name, "1", ex=TTL_S)
    except redis.RedisError as error:
        log.warning("that all statuses were written was not noted: %s", error)


def mend_missed(work_redis: "redis.Redis") -> None:
    """Now that Redis answers, take the mark away: all are written again. Raises RedisError.

    A Redis that could not be reached has lost nothing and keeps its mark, so that without this
    nobody would see what is missing there.
    """
    if not _missed.is_set():
        return
    # First: whoever misses one meanwhile needs another call.
    _missed.clear()
    try:
        work_redis.delete(MARKER)
    except redis.RedisError:
        _missed.set()
        raise


def write_now(outcomes: Iterable[Landed]) -> None:
    """As `write`, for whoever repeats it until it is written. Not inside a transaction."""
    write(_work_redis(), outcomes)


def write_after_commit(outcomes: Sequence[Landed]) -> None:
    """As `write_or_log`, once the transaction that changed the orders is committed."""
    transaction.on_commit(lambda: write_or_log(_work_redis(), outcomes))


def read(reservation_id: str) -> bytes | None:
    """What the gateway shows of a reservation, as `status` wrote it. Raises redis.RedisError."""
    stored: bytes | None = _work_redis().get(KEY_PREFIX + reservation_id)  # type: ignore[assignment]
    return stored


@cache
def _work_redis() -> "redis.Redis":
    """One client a process; it reconnects by itself."""
    return connect(settings.ENV.work_redis_url)


def status(landed: Landed) -> str:
    """The JSON body of GET /v1/reservations/{id}, with the shopper it may be shown to.

    Written out, because json.dumps costs a landing more than the rest of its Python; nothing in it
    needs escaping.
    """
    head = (
        f'{{"reservation_id":"{landed.reservation_id}","item":{landed.item},"qty":{landed.qty},'
        f'"shopper":"{landed.shopper}","state":"{STATES[landed.state]}"'
    )
    if landed.order_id is None or landed.pay_by is None:
        return f'{head},"reason":"{landed.reason}"}}'
    return f'{head},"order":"{landed.number}","pay_by_ms":{_ms(landed.pay_by)}}}'
