"""Which deliveries go out now, and what is written once they were tried."""

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from control_plane.config import history
from control_plane.outgoing.transport import TOTAL_S
from control_plane.webhooks import signing
from control_plane.webhooks.models import (
    ANSWER_CHARACTERS_MAX,
    ERROR_CHARACTERS_MAX,
    Attempt,
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointSecret,
    OffReason,
)

# After the n-th attempt in vain, each up to a fifth shorter or longer: all of them within 29 hours.
PAUSES_S = (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200)
ATTEMPTS_MAX = len(PAUSES_S) + 1
# A server that failed is asked by one delivery at a time, and less often the longer it fails.
PAUSE_OF_ENDPOINT_MAX_S = 300
JITTER = 0.2
AT_ONCE_OF_ENDPOINT = 8
# Somebody who has not written down what became of a delivery by then is dead. Above all that one
# attempt may take, the look-up of the name included.
LEASE = timedelta(seconds=90)
assert LEASE.total_seconds() > 4 * TOTAL_S
GONE = 410
NOT_WRITTEN_DOWN = "unknown: nobody wrote it down"

# An endpoint is asked for no more than its share, so that none fills the threads. What waits behind
# an earlier event of its order is not there, whether that one is being sent or waits for its next
# try. The conditions are asked again of each row once it is locked.
_CLAIM = """
WITH chosen AS MATERIALIZED (
    SELECT due.id, due.place
      FROM webhooks_endpoint endpoint
     CROSS JOIN LATERAL (
           SELECT count(*) AS sending FROM webhooks_delivery
            WHERE endpoint_id = endpoint.id AND state = 'pending' AND lease_until > %(now)s) busy
     CROSS JOIN LATERAL (
           SELECT waiting.id, row_number() OVER (ORDER BY waiting.next_try_at, waiting.id) AS place
             FROM (SELECT delivery.id, delivery.next_try_at FROM webhooks_delivery delivery
                    WHERE delivery.endpoint_id = endpoint.id AND delivery.state = 'pending'
                      AND delivery.next_try_at <= %(now)s
                      AND (delivery.lease_until IS NULL OR delivery.lease_until <= %(now)s)
                      AND NOT EXISTS (SELECT FROM webhooks_delivery earlier
                                       WHERE earlier.subject = delivery.subject
                                         AND earlier.endpoint_id = delivery.endpoint_id
                                         AND earlier.state = 'pending'
                                         AND earlier.id < delivery.id)
                    ORDER BY delivery.next_try_at, delivery.id
                    LIMIT greatest(0, CASE WHEN endpoint.failures > 0 THEN 1
                                           ELSE %(at_once)s END - busy.sending)) waiting) due
     WHERE endpoint.active AND (endpoint.not_before IS NULL OR endpoint.not_before <= %(now)s)
     ORDER BY due.place, due.id
     LIMIT %(limit)s
),
locked AS MATERIALIZED (
    SELECT id, lease_until FROM webhooks_delivery
     WHERE id IN (SELECT id FROM chosen) AND state = 'pending' AND next_try_at <= %(now)s
       AND (lease_until IS NULL OR lease_until <= %(now)s)
     ORDER BY id
       FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE webhooks_delivery delivery
   SET attempts_made = attempts_made + 1, lease_until = %(until)s
  FROM locked, webhooks_endpoint endpoint
 WHERE delivery.id = locked.id AND endpoint.id = delivery.endpoint_id
RETURNING delivery.id, delivery.endpoint_id, endpoint.url, delivery.event_id, delivery.body,
          delivery.subject, delivery.traceparent, delivery.attempts_made, delivery.attempts_before,
          locked.lease_until
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Claimed:
    """A delivery that is ours until its lease ends, and what has to be known to send it."""

    id: int
    endpoint_id: int
    url: str
    event_id: str
    body: bytes
    subject: str
    traceparent: str
    attempt: int
    attempts_before: int
    secrets: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """What became of an attempt: a status, or an error without one."""

    at: datetime
    duration_ms: int
    status: int | None
    error: str
    answer: bytes = b""

    @property
    def is_delivered(self) -> bool:
        """Any 2xx."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_trouble(self) -> bool:
        """Whether it is the server that fails, and not what was sent to it."""
        return self.status is None or self.status == 429 or self.status >= 500


def claim(now: datetime, limit: int) -> list[Claimed]:
    """Take up to `limit` deliveries that are due; the attempt is counted before it is made."""
    with transaction.atomic(), connection.cursor() as cursor:
        values: dict[str, Any] = {"now": now, "limit": limit, "until": now + LEASE}
        cursor.execute(_CLAIM, values | {"at_once": AT_ONCE_OF_ENDPOINT})
        rows = cursor.fetchall()
        Attempt.objects.bulk_create(
            Attempt(delivery_id=pk, number=attempt - 1, at=old, error=NOT_WRITTEN_DOWN)
            for pk, *_, attempt, _before, old in rows
            if old is not None
        )
    live = _secrets({endpoint for _, endpoint, *_ in rows})
    return [
        Claimed(
            pk, endpoint, url, event, body.encode(), subject, trace, made, before, live[endpoint]
        )
        for pk, endpoint, url, event, body, subject, trace, made, before, _lease in rows
    ]


def _secrets(endpoints: set[int]) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = dict.fromkeys(endpoints, ())
    for one in EndpointSecret.objects.filter(endpoint__in=endpoints).order_by("-pk"):
        found[one.endpoint_id] += (one.secret,)
    return found


def record(tried: Sequence[tuple[Claimed, Result]], now: datetime) -> None:
    """Write down what became of attempts, all of them in one transaction."""
    with transaction.atomic():
        Attempt.objects.bulk_create(_logged(claimed, result) for claimed, result in tried)
        _delivered([claimed for claimed, result in tried if result.is_delivered], now)
        for claimed, result in tried:
            if not result.is_delivered:
                _failed(claimed, now)
                _ill(claimed.endpoint_id, result, now)


def _logged(claimed: Claimed, result: Result) -> Attempt:
    return Attempt(
        delivery_id=claimed.id,
        number=claimed.attempt,
        at=result.at,
        duration_ms=result.duration_ms,
        status=result.status,
        error=result.error[:ERROR_CHARACTERS_MAX],
        answer=_readable(result.answer),
    )


def _delivered(arrived: Sequence[Claimed], now: datetime) -> None:
    """Also what somebody sent whose lease was over: it has arrived."""
    if not arrived:
        return
    ours = Delivery.objects.filter(pk__in=[one.id for one in arrived], state=DeliveryState.PENDING)
    ours.update(state=DeliveryState.DELIVERED, finished_at=now, lease_until=None)
    for claimed in arrived:
        if claimed.attempt > 1:
            _followers(claimed).update(next_try_at=now)
    Endpoint.objects.filter(pk__in={one.endpoint_id for one in arrived}).update(
        failures=0, failing_since=None, not_before=None, last_delivered_at=now
    )


def signed(claimed: Claimed, now: datetime) -> dict[str, str]:
    """The headers of the attempt."""
    own = {"Content-Type": "application/json", "User-Agent": "Sluice-Webhooks/1"}
    at_s = int(now.timestamp())
    return own | signing.headers(claimed.secrets, claimed.event_id, at_s, claimed.body)


def _failed(claimed: Claimed, now: datetime) -> None:
    """Try again later, or give up; unless somebody else has it by now, who decides."""
    ours = Delivery.objects.filter(
        pk=claimed.id, state=DeliveryState.PENDING, attempts_made=claimed.attempt
    )
    tried = claimed.attempt - claimed.attempts_before
    if tried < ATTEMPTS_MAX:
        then = now + timedelta(seconds=PAUSES_S[tried - 1] * _jitter())
        if ours.update(next_try_at=then, lease_until=None):
            _followers(claimed).update(next_try_at=then)
        return
    if ours.update(state=DeliveryState.FAILED, finished_at=now, lease_until=None):
        _followers(claimed).update(next_try_at=now)
        log.error(
            "webhook given up after %s attempts",
            tried,
            extra={"kind": "webhook_failed", "delivery": claimed.id, "event": claimed.event_id},
        )


def _followers(claimed: Claimed) -> QuerySet[Delivery]:
    """Later events of the order. They wait for this one anyhow; due, each claim would see them.

    A merchant who refuses every order has as many of them as he has orders.
    """
    later = Delivery.objects.filter(subject=claimed.subject, pk__gt=claimed.id)
    return later.filter(endpoint=claimed.endpoint_id, state=DeliveryState.PENDING)


def _ill(endpoint_id: int, result: Result, now: datetime) -> None:
    """Let a server in trouble rest; one that only refuses what it was sent gets the next."""
    endpoint = Endpoint.objects.select_for_update(no_key=True).get(pk=endpoint_id)
    endpoint.failing_since = endpoint.failing_since or now
    if result.status == GONE:
        switch_off(endpoint, OffReason.GONE)
        # Else the row that is saved below would be on, to its history.
        endpoint.refresh_from_db(fields=["active", "off_reason"])
    if result.is_trouble:
        endpoint.failures += 1
        pause_s = min(2 ** min(endpoint.failures, 16), PAUSE_OF_ENDPOINT_MAX_S) * _jitter()
        endpoint.not_before = now + timedelta(seconds=pause_s)
    endpoint.save(update_fields=["failures", "failing_since", "not_before"])


def switch_off(endpoint: Endpoint, reason: OffReason) -> bool:
    """It hears of nothing new, and what waits for it goes on waiting; False when it was off."""
    on = Endpoint.objects.filter(pk=endpoint.pk, active=True)
    with transaction.atomic():
        if not on.update(active=False, off_reason=reason):
            return False
        history.note(endpoint)
    log.error(
        "webhook endpoint switched off: %s",
        reason,
        extra={"kind": "webhook_endpoint_off", "endpoint": endpoint.pk},
    )
    return True


def _jitter() -> float:
    return random.uniform(1 - JITTER, 1 + JITTER)


def _readable(answer: bytes) -> str:
    """For people; PostgreSQL's text holds no NUL."""
    text = answer.decode("utf-8", "replace")[:ANSWER_CHARACTERS_MAX]
    return "".join(letter if letter.isprintable() or letter == "\n" else "�" for letter in text)
