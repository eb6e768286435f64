"""Faults of PostgreSQL as a whole: its postmaster killed, and not one connection left."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import psycopg2

from tests.drill.drill import PATIENT, Drill, DrillBroken, Figures
from tests.drill.ground import Ground, wait_for
from tests.drill.sale import Sale

AWAY_S = 4.0
SELLS_WITHIN_S = 20.0
# Above max_connections of every stack.
CONNECTIONS_MAX = 400
# Between two attempts to get one, and how many have to fail before it is believed.
REFUSED_S = 0.01
REFUSED_TIMES = 20
NEED_NEW_ONES = ("order-consumer", "stock-agent", "celery-worker")


def postgres_killed(ground: Ground, sale: Sale) -> Figures:
    """Killed at any moment, so that it has to recover; then killed and kept down."""
    sale.run_for(0.7)
    ground.kill_and_wait("postgres")
    sale.run_for(2.0)
    with ground.held_down("postgres") as died:
        sale.run_for(AWAY_S)
        gone = time.monotonic()
    return _sells_on_and_follows(sale, died, gone)


def connections_exhausted(ground: Ground, sale: Sale) -> Figures:
    """Somebody has them all, and workers that need new ones are killed meanwhile."""
    sale.run_for(1.0)
    with _all_connections(ground) as taken:
        began = time.monotonic()
        for name in NEED_NEW_ONES:
            ground.kill_and_wait(name)
        sale.run_for(AWAY_S)
        gone = time.monotonic()
    return {"taken": taken} | _sells_on_and_follows(sale, began, gone)


def _sells_on_and_follows(sale: Sale, began: float, ended: float) -> Figures:
    """What the shards hold is sold meanwhile; then grants, orders and all the rest are back."""
    heard = sale.crowd.recorder.reserved(range(sale.shards), began)
    meanwhile = sum(one.answered < ended for one in heard)
    if not meanwhile:
        sale.complain("nothing was sold meanwhile")
    back = time.monotonic()
    sold = max(sale.until_sells(shard, back, SELLS_WITHIN_S) for shard in range(sale.shards))
    sale.run_for(1.0)
    return {"sold_meanwhile": meanwhile, "sells_after_s": round(max(sold - back, 0.0), 2)}


class _Hoard:
    """Takes every connection that an ordinary role may have, and each that comes free."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._over = Event()
        self._thread = Thread(target=self._take)
        self.held: list[psycopg2.extensions.connection] = []
        # One after the other: of a single one the next moment may be another.
        self.refused = 0

    def __enter__(self) -> "_Hoard":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for one in self.held:
            one.close()

    def _take(self) -> None:
        while not self._over.is_set() and len(self.held) < CONNECTIONS_MAX:
            try:
                self.held.append(psycopg2.connect(self._dsn))
                self.refused = 0
            except psycopg2.OperationalError:
                self.refused += 1
                self._over.wait(REFUSED_S)


@contextmanager
def _all_connections(ground: Ground) -> Iterator[int]:
    """Nobody gets one; how many that took. The stack's own open and close all the time."""
    with _Hoard(ground.environment["SLUICE_SALE_DSN"]) as hoard:
        wait_for(
            lambda: hoard.refused > REFUSED_TIMES or len(hoard.held) == CONNECTIONS_MAX,
            "PostgreSQL to give no more",
            30,
            0.05,
        )
        if len(hoard.held) == CONNECTIONS_MAX:
            raise DrillBroken(f"PostgreSQL has more than {CONNECTIONS_MAX} connections to give")
        yield len(hoard.held)


DRILLS = (
    Drill(
        "postgres-killed",
        "PostgreSQL's postmaster killed -9, recovered; then kept down",
        postgres_killed,
        plan=PATIENT,
        group="databases",
    ),
    Drill(
        "connections-exhausted",
        "every connection of PostgreSQL taken while workers start anew",
        connections_exhausted,
        plan=PATIENT,
        group="databases",
    ),
)
