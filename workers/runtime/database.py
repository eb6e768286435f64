"""What a worker makes of a database that does not answer."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import InterfaceError, OperationalError, connections

from workers.runtime.verdicts import Unavailable


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
