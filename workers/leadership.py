"""One leader among several processes, by a PostgreSQL advisory lock on a connection of its own."""

import logging
from typing import Any

from django.db import Error, connections

_log = logging.getLogger(__name__)


class Leadership:
    """Held by one session at a time; the server gives it up when the session ends, however it ends.

    A leader may go on for a moment after its session was cut, beside the next one: what it leads
    must be safe with two, the lock only saves the work of the second.
    """

    def __init__(self, lock_id: int, alias: str = "default") -> None:
        self._lock_id = lock_id
        self._alias = alias
        self._session: Any = None
        # Why we could not even ask; None when the server answered, whatever it said.
        self.problem: str | None = None

    def held(self) -> bool:
        """True while we lead; tries to become the leader when we do not."""
        self.problem = None
        try:
            if self._session is not None:
                # The lock lives as long as the session: if it answers, the lock is ours.
                self._ask("SELECT true")
                return True
            self._session = connections.create_connection(self._alias)
            if self._ask("SELECT pg_try_advisory_lock(%s)", self._lock_id):
                _log.info("leading")
                return True
        except Error as error:
            _log.warning("no leadership: %s", error)
            self.problem = str(error).strip()
        self.resign()
        return False

    def resign(self) -> None:
        """Close the session, and with it give the lock up."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _ask(self, question: str, *parameters: object) -> bool:
        with self._session.cursor() as cursor:
            cursor.execute(question, parameters)
            return bool(cursor.fetchone()[0])
