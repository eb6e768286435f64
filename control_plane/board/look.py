"""One look a second, whoever asks and however many: the page's document and the items' figures."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Generic, TypeVar

from django.conf import settings
from django.db import Error as DatabaseError
from django.utils import timezone

from control_plane.board import books as book
from control_plane.board import document, prometheus, replay
from control_plane.config.gate import Gate
from control_plane.metrics.registry import gauge, histogram

# A little less than the rhythm of those who ask, so that each of their questions finds news.
KEEP_S = 0.9
# A look that takes long, at a sale of a million orders or on a machine that is full, is taken less
# often: it costs at most this share of the time, and nothing is older than this for it.
SHARE_MAX, KEEP_MAX_S = 0.2, 5.0

T = TypeVar("T")

_log = logging.getLogger(__name__)
# One for each of the three readings below: none of them takes another's place.
_gate = Gate(3, "board")


class Shared(Generic[T]):
    """A value that is read when somebody asks and the last one is old; all wait for one reading."""

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._reading: asyncio.Future[T] | None = None
        self._value: T | None = None
        self._until = 0.0

    async def fresh(self) -> T:
        """The value, at most `KEEP_S` old."""
        if self._value is not None and time.monotonic() < self._until:
            return self._value
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(self._once())
        # Whoever goes away takes nobody's reading with him.
        return await asyncio.shield(self._reading)

    async def _once(self) -> T:
        began = time.monotonic()
        self._value = await _gate.run(self._read)
        took = time.monotonic() - began
        self._until = began + max(KEEP_S, min(took / SHARE_MAX, KEEP_MAX_S))
        return self._value


class Database:
    """The last look at PostgreSQL that succeeded, and why the newest one did not."""

    def __init__(self) -> None:
        self.books: book.Books | None = None
        self.at: datetime | None = None
        self.error: str | None = None

    def look(self) -> "Database":
        """Never raises: the board shows what it saw last, and says how old that is."""
        now = timezone.now()
        try:
            self.books, self.at, self.error = book.read(now), now, None
        except DatabaseError as error:
            self.error = type(error).__name__
            _log.warning("the board cannot read the database: %s", error)
        return self


class Board:
    """Puts both sources into one document."""

    def __init__(self) -> None:
        self._database = Database()
        self.database = Shared(self._database.look)
        self.document = Shared(self._document)
        self.history = Shared(self._history)
        self._samples = prometheus.EMPTY
        self._samples_at: datetime | None = None
        self._bases: dict[int, prometheus.Samples] = {}

    @property
    def books(self) -> book.Books | None:
        """The last look at the database, or None before the first."""
        return self._database.books

    def _document(self) -> bytes:
        with histogram("sluice_board_look_seconds").time():
            return json.dumps(self._build(), separators=(",", ":")).encode()

    def _history(self) -> bytes:
        """Raises Unanswered."""
        return json.dumps(replay.history(time.time()), separators=(",", ":")).encode()

    def _build(self) -> document.Json:
        books, now, told = self._database.books, timezone.now(), None
        try:
            self._ask(now)
            gauge("sluice_board_prometheus_up").set(1)
        except prometheus.Unanswered as error:
            told = str(error)
            gauge("sluice_board_prometheus_up").set(0)
        samples = self._samples
        about: document.Json = {
            "version": document.VERSION,
            "at_ms": _ms(now),
            "sources": {
                "database": {"at_ms": _ms(self._database.at), "error": self._database.error},
                "prometheus": {"at_ms": _ms(self._samples_at), "error": told},
            },
            "figures": document.figures(samples),
            "processes": document.processes(samples),
        }
        if books is None:
            nothing = ("campaigns", "funnel", "refusals", "switches", "alerts")
            return about | {name: [] for name in nothing}
        base = self._base(books)
        return about | {
            "campaigns": document.sales(books.campaigns, books.units, samples),
            "funnel": document.funnel(samples, base, of_the_first(books)),
            "refusals": document.refusals(samples, base),
            "switches": books.switches,
            "alerts": document.alerts(books.alerts),
        }

    def _ask(self, now: datetime) -> None:
        if settings.ENV.prometheus_url is None:
            raise prometheus.Unanswered("there is no Prometheus here")
        self._samples = prometheus.instant(settings.ENV.prometheus_url)
        self._samples_at = now

    def _base(self, books: book.Books) -> prometheus.Samples:
        """What the counters said when the sale began, asked once."""
        if not books.campaigns or settings.ENV.prometheus_url is None:
            return prometheus.EMPTY
        begins_ms = document.begins_ms(books.campaigns[0])
        if begins_ms not in self._bases and begins_ms < timezone.now().timestamp() * 1000:
            try:
                then = prometheus.instant(
                    settings.ENV.prometheus_url, '{__name__=~"sluice:.+:total"}', begins_ms / 1000
                )
            except prometheus.Unanswered:
                return prometheus.EMPTY
            self._bases = {begins_ms: then}
        return self._bases.get(begins_ms, prometheus.EMPTY)


def of_the_first(books: book.Books) -> list[book.Units]:
    """The units of the campaign whose funnel is shown: the one that runs, or the nearest."""
    items = books.campaigns[0].items.all() if books.campaigns else []
    return [books.units[item.pk] for item in items if item.pk in books.units]


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)


_board: Board | None = None


def board() -> Board:
    """This process's one board."""
    global _board
    if _board is None:
        _board = Board()
    return _board


async def fresh() -> Database:
    """The database's figures, at most a second old: for a scrape."""
    return await board().database.fresh()


async def fresh_document() -> bytes:
    """The page's document, at most a second old."""
    await board().database.fresh()
    return await board().document.fresh()


async def fresh_history() -> bytes:
    """The charts' last minutes, at most a second old. Raises Unanswered."""
    return await board().history.fresh()


def is_hung(name: str) -> bool:
    """Whether a wall link is good, as of the last look. Nobody is admitted before the first one."""
    books = board().books
    return books is not None and name in books.walls
