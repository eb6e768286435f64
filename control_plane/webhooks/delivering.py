"""Deliveries go out: one thread at the database, several at the merchants' servers."""

import ssl
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from django.utils import timezone

from control_plane.config import tracing
from control_plane.outgoing import addresses, transport
from control_plane.webhooks.claiming import Claimed, Result, claim, record, signed

# Six endpoints at full width. One whose server fails has one at most, so it takes six that answer
# well and only just in time to hold the others up.
THREADS = 48
# A run takes nothing new after that; what it has under way it finishes.
RUN_S = 8.0
# How soon the next one is claimed while others are on their way.
LOOK_S = 0.1


@dataclass(frozen=True)
class Way:
    """How requests leave the house."""

    private: bool
    look_up: addresses.Resolve = addresses.resolve
    tls: ssl.SSLContext | None = None
    clock: Callable[[], datetime] = timezone.now


def deliver_due(way: Way, run_s: float = RUN_S) -> int:
    """Send what is due until nothing is, or the time is over; returns how many attempts were made.

    Repeat safe, also beside another run and after one that died: a delivery whose attempt nobody
    wrote down is sent again once its lease is over, with the same event id. Must not run inside a
    transaction.
    """
    end = time.monotonic() + run_s
    made = 0
    under_way: dict[Future[Result], Claimed] = {}
    with ThreadPoolExecutor(THREADS, thread_name_prefix="webhook") as threads:
        while True:
            free = THREADS - len(under_way)
            if free and time.monotonic() < end:
                for one in claim(way.clock(), free):
                    under_way[threads.submit(attempt, one, way)] = one
            if not under_way:
                return made
            done = wait(under_way, LOOK_S, FIRST_COMPLETED).done
            if done:
                record([(under_way.pop(one), one.result()) for one in done], way.clock())
                made += len(done)


def attempt(claimed: Claimed, way: Way) -> Result:
    """One request; never raises for what a merchant's server does."""
    if not claimed.traceparent:
        return _attempt(claimed, way, {})
    span = tracing.begin(
        "POST webhook",
        claimed.traceparent,
        tracing.CLIENT,
        {
            "http.request.method": "POST",
            "server.address": urlsplit(claimed.url).hostname,
            "http.request.resend_count": claimed.attempt - 1,
            "sluice.event": claimed.event_id,
            "sluice.reservation_id": claimed.subject,
        },
    )
    result = _attempt(claimed, way, {tracing.HEADER: span.traceparent})
    span.note(http__response__status_code=result.status)
    span.end(result.error)
    return result


def _attempt(claimed: Claimed, way: Way, more: dict[str, str]) -> Result:
    at, started = way.clock(), time.monotonic()

    def result(status: int | None, error: str, answer: bytes = b"") -> Result:
        return Result(at, int((time.monotonic() - started) * 1000), status, error, answer)

    try:
        answer = transport.post(
            claimed.url,
            signed(claimed, at) | more,
            claimed.body,
            private=way.private,
            look_up=way.look_up,
            tls=way.tls,
        )
    except transport.NoAnswer as error:
        return result(None, str(error))
    if 300 <= answer.status < 400:
        return result(answer.status, "redirect: not followed", answer.body)
    failed = not 200 <= answer.status < 300
    return result(answer.status, f"status {answer.status}" if failed else "", answer.body)
