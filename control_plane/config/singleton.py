"""A task that runs in one process at a time, by an advisory lock of PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


def is_alone(lock: int) -> bool:
    """Take the singleton's lock until the transaction ends; False when somebody has it."""
    return _ask("pg_try_advisory_xact_lock", lock)


@contextmanager
def alone(lock: int) -> Iterator[bool]:
    """Hold the lock over several transactions; yields False when somebody has it."""
    held = _ask("pg_try_advisory_lock", lock)
    try:
        yield held
    finally:
        # Of a session that broke nothing is left to unlock, and the error says so.
        if held:
            _ask("pg_advisory_unlock", lock)


def _ask(function: str, lock: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [lock])
        return bool(cursor.fetchone()[0])
