"""What a worker makes of a database that does not answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError, connections
from django.db.backends.signals import connection_created

from workers.runtime.verdicts import NotApplied, Unavailable


class DatabaseUnavailable(Unavailable):
    """A database is down; for a caller that must tell it from other things that are."""


@contextmanager
def unavailable_when_down(alias: str) -> Iterator[None]:
    """Turn "cannot now" into DatabaseUnavailable.

    Down, too many connections, a lock or statement timeout. Whether a commit that failed this way
    happened is unknown, so the connection is closed and the work must be repeat safe. Errors of the
    data or of our SQL pass through and end the process.
    """
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        connections[alias].close()
        raise DatabaseUnavailable(f"database {alias}: {str(error).strip()}") from error


# SQLSTATE class: the transaction cannot do it, as on a server that is a standby for the moment.
_INVALID_TRANSACTION_STATE = "25"


@contextmanager
def not_applied_when_refused(alias: str) -> Iterator[None]:
    """As `unavailable_when_down`; and what the database refuses for its content is NotApplied.

    A constraint, a trigger, a value that fits no column, a statement that the schema of now does
    not know.
    """
    try:
        with unavailable_when_down(alias):
            yield
    except DatabaseError as error:
        code = getattr(error.__cause__, "pgcode", None) or ""
        if code.startswith(_INVALID_TRANSACTION_STATE):
            connections[alias].close()
            raise DatabaseUnavailable(f"database {alias}: {str(error).strip()}") from error
        raise NotApplied(f"database {alias}: {str(error).strip()}") from error


def bound_lock_waits(milliseconds: int) -> None:
    """From now on no statement of this process waits longer for a lock, which is "cannot now".

    For a process that looks after many things: one that somebody else holds must not stop the rest.
    """

    def bound(connection: Any, **_: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = %s", [milliseconds])

    # Not weak: nobody else keeps the function.
    connection_created.connect(bound, weak=False, dispatch_uid="bound_lock_waits")
