"""The newest snapshot in this process's memory, and whoever waits for a newer one.

One LISTEN connection per process. A notification wakes the event loop, one thread reads the new
version once, and every waiting request gets the same bytes. When the connection breaks, versions
are still found by asking, and asking goes on all the time: that there is nothing newer is only said
when PostgreSQL has said so just now, since readers renew their lease on it.
"""

import asyncio
import json
import logging
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg2
import psycopg2.extensions
from django.db import Error as DatabaseError
from django.db import connection

from control_plane.snapshot import services
from control_plane.snapshot.models import Snapshot
from control_plane.snapshot.services import Audience

# One query of the primary key for all waiting requests of the process.
FALLBACK_POLL_S = 0.25
# How long before its answer "nothing newer" may have been read. Of the second that a forced change
# of source waits beyond the gateways' lease.
FRESH_S = 0.75
# Only for this thread's connections; a server that hangs altogether shows in FRESH_S.
STATEMENT_TIMEOUT_MS = 1000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Published:
    """One version, ready to be sent: the envelope of each audience as bytes."""

    version: int
    envelopes: dict[Audience, bytes]


class Stale(Exception):
    """Whether there is something newer is not known: PostgreSQL has not answered lately."""


class Feed:
    """Belongs to the event loop it was started in."""

    def __init__(self) -> None:
        # One thread, so that the database connection it uses is always the same.
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="snapshot-feed")
        self._latest: Published | None = None
        self._changed = asyncio.Event()
        self._notified = asyncio.Event()
        self._asked_once = asyncio.Event()
        # The loop's time at which the last reading that succeeded began.
        self._read_at = -math.inf
        self._listener: psycopg2.extensions.connection | None = None
        # Kept apart: a connection that broke does not tell its descriptor any more.
        self._listener_fd = -1
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._follow())
        self._task.add_done_callback(_tell_why_it_ended)

    @property
    def alive(self) -> bool:
        """False after a bug ended the following task, or in another event loop than its own."""
        return not self._task.done() and self._loop is asyncio.get_running_loop()

    async def newer_than(self, version: int, wait_s: float) -> Published | None:
        """The newest version if it is above `version`, at the latest after `wait_s`; else None.

        Raises Stale instead of None when that was not read within FRESH_S before the end.
        """
        deadline = self._loop.time() + wait_s
        # Without this the first poll of a process would be told that there is nothing.
        try:
            async with asyncio.timeout(max(wait_s, FRESH_S)):
                await self._asked_once.wait()
        except TimeoutError:
            raise Stale from None
        while True:
            if self._latest is not None and self._latest.version > version:
                return self._latest
            remaining = deadline - self._loop.time()
            if remaining <= 0:
                if self._read_at < deadline - FRESH_S:
                    raise Stale
                return None
            changed = self._changed
            try:
                async with asyncio.timeout(remaining):
                    await changed.wait()
            except TimeoutError:
                continue

    async def close(self) -> None:
        """Stop following and give the connections back."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._drop_listener()
        await self._loop.run_in_executor(self._executor, _disconnect)
        self._executor.shutdown(wait=False)

    async def _follow(self) -> None:
        while True:
            self._notified.clear()
            await self._ensure_listener()
            # Read after LISTEN is in force: a version published in between is not missed.
            await self._refresh()
            try:
                async with asyncio.timeout(FALLBACK_POLL_S):
                    await self._notified.wait()
            except TimeoutError:
                continue

    async def _refresh(self) -> None:
        known = self._latest.version if self._latest else 0
        began = self._loop.time()
        try:
            published = await self._loop.run_in_executor(self._executor, _load_newer, known)
        except DatabaseError as error:
            log.warning("cannot read snapshots, the last one stands: %s", error)
            return
        finally:
            self._asked_once.set()
        self._read_at = began
        if published is None:
            return
        self._latest = published
        # Whoever waits holds the old event; those who come from now on get a new one.
        self._changed.set()
        self._changed = asyncio.Event()

    async def _ensure_listener(self) -> None:
        if self._listener is not None and not self._listener.closed:
            return
        self._drop_listener()
        self._listener = await self._loop.run_in_executor(self._executor, _listen)
        if self._listener is not None:
            self._listener_fd = self._listener.fileno()
            self._loop.add_reader(self._listener_fd, self._on_readable, self._listener)

    def _on_readable(self, listener: psycopg2.extensions.connection) -> None:
        try:
            listener.poll()
        except psycopg2.Error as error:
            log.warning("lost the LISTEN connection, asking every second instead: %s", error)
            self._drop_listener()
        else:
            listener.notifies.clear()
        self._notified.set()

    def _drop_listener(self) -> None:
        if self._listener is not None:
            # Before closing, because the loop must not watch a number that gets a new owner.
            self._loop.remove_reader(self._listener_fd)
            self._listener.close()
            self._listener = None


def _listen() -> psycopg2.extensions.connection | None:
    """A connection that hears of new versions; None while the database is out of reach."""
    try:
        listener: psycopg2.extensions.connection = psycopg2.connect(
            **connection.get_connection_params()
        )
        listener.autocommit = True
        with listener.cursor() as cursor:
            cursor.execute(f"LISTEN {services.NOTIFY_CHANNEL}")
    except psycopg2.Error as error:
        log.warning("cannot LISTEN for snapshots: %s", error)
        return None
    return listener


def _load_newer(version: int) -> Published | None:
    """The newest version above `version`; DatabaseError while the database is out of reach."""
    try:
        if connection.connection is None:
            with connection.cursor() as cursor:
                cursor.execute("SET statement_timeout = %s", [STATEMENT_TIMEOUT_MS])
        snapshot = Snapshot.objects.filter(version__gt=version).order_by("-version").first()
    except DatabaseError:
        connection.close()
        raise
    if snapshot is None:
        return None
    envelopes = {
        audience: json.dumps(services.envelope(snapshot, audience), ensure_ascii=False).encode()
        for audience in Audience
    }
    return Published(snapshot.version, envelopes)


def _tell_why_it_ended(task: asyncio.Task[None]) -> None:
    """The next poll starts a new feed; what ended this one must be seen at once."""
    if not task.cancelled() and task.exception() is not None:
        log.error("the snapshot feed ended", exc_info=task.exception())


def _disconnect() -> None:
    """Runs in the feed's thread, whose connection no other thread can see."""
    connection.close()
