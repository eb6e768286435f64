"""What a worker makes of an error of the database: it waits, or looks for the message to blame."""

import pytest
from django.db import connection

from workers.runtime.database import not_applied_when_refused
from workers.runtime.verdicts import NotApplied, Unavailable

pytestmark = pytest.mark.django_db(transaction=True)

# Of the batch's content; of the moment.
REFUSED = [
    "SELECT 1/0",
    "SELECT no_such_column",
    "SELECT 'x'::bigint",
    "DO $$BEGIN RAISE 'no'; END$$",
]
AWAY = [
    "SELECT pg_terminate_backend(pg_backend_pid())",
    "SET statement_timeout = 1; SELECT pg_sleep(5)",
    # A server that is a standby for the moment.
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; COMMIT; CREATE TABLE one (id int)",
]


@pytest.fixture(autouse=True)
def a_new_session():
    """What a test has set is gone with it."""
    yield
    connection.close()


@pytest.mark.parametrize("statement", REFUSED)
def test_what_the_database_refuses_as_it_is_is_looked_for(statement):
    with (
        pytest.raises(NotApplied, match=r"^database default: "),
        not_applied_when_refused("default"),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


@pytest.mark.parametrize("statement", AWAY)
def test_what_it_cannot_do_now_is_waited_for(statement):
    with (
        pytest.raises(Unavailable, match=r"^database default: "),
        not_applied_when_refused("default"),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
